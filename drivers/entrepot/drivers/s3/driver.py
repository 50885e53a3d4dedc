"""The driver contract over one bucket."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from typing import Literal

from entrepot.core import DeleteError, Driver, Entry, Prefix, Upload
from entrepot.drivers.s3 import reading, scanning, signing
from entrepot.drivers.s3.client import header
from entrepot.drivers.s3.copying import copy
from entrepot.drivers.s3.deleting import delete
from entrepot.drivers.s3.errors import translating
from entrepot.drivers.s3.parts import Allowance
from entrepot.drivers.s3.signing import Keys, Place
from entrepot.drivers.s3.upload import S3Upload
from entrepot.drivers.s3.verbs import Verbs, entry_of
from entrepot.drivers.s3.writing import Writer

_AHEAD = 20 * 1024 * 1024  # bytes of parts under way, besides the one each transfer gathers
_LONGEST_LINK = 7 * 24 * 3600  # seconds, by the protocol


class S3Driver(Driver):
    """Objects below the root directory of a bucket. Everything is one to three requests."""

    def __init__(self, verbs: Verbs, public: Place, keys: Callable[[], Awaitable[Keys]]) -> None:
        self.verbs = verbs
        self._public = public
        self._keys = keys
        self._allowance = Allowance(_AHEAD)
        self._writer = Writer(verbs, self._allowance)

    async def stat(self, key: str) -> Entry:
        with translating(key):
            return entry_of(key, await self.verbs.head(self.verbs.root + key))

    def read(
        self, key: str, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        return reading.read(self.verbs, key, start, stop)

    async def write(self, key: str, chunks: AsyncIterator[bytes], *, create: bool = False) -> Entry:
        return await self._writer.write(key, chunks, create=create)

    async def delete(self, keys: Sequence[str]) -> None:
        root = self.verbs.root
        failures = await delete(self.verbs, [root + key for key in keys])
        if failures:
            named = ((key.removeprefix(root), refused) for key, refused in failures.items())
            raise DeleteError({key: refused.error(key) for key, refused in named})

    def scan(
        self, prefix: str, *, after: str = "", delimiter: str = ""
    ) -> AsyncGenerator[Entry | Prefix, None]:
        return scanning.below_root(self.verbs, prefix, after, delimiter)

    async def copy(self, source: str, target: str) -> Entry:
        root = self.verbs.root
        with translating(source):
            found = await self.verbs.head(root + source)
            entry = entry_of(target, found)
            if source == target:
                return entry
            etag = header(found, "ETag")
            modified = await copy(self.verbs, root + source, root + target, entry.size, etag)
        return Entry(target, entry.size, modified)

    async def link(self, key: str, method: Literal["GET", "HEAD"], seconds: int) -> str | None:
        keys = await self._keys()
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        path = self._public.path_of(self.verbs.root + key)
        lasting = min(seconds, _LONGEST_LINK)
        return signing.link(method, self._public, path, keys, moment, lasting)

    def object_name(self, key: str) -> str:
        """What the object is called in the bucket, which CloudFront has to know."""
        return self.verbs.root + key

    def upload(self, token: str) -> Upload:
        return S3Upload(self.verbs, self._writer, self._allowance, token)
