"""The driver contract on one bucket of OSS."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Literal

from entrepot.core import DeleteError, Driver, Entry, Prefix, Upload
from entrepot_oss import listing, reading, writing
from entrepot_oss.copying import copy
from entrepot_oss.credentials import Credentials
from entrepot_oss.deleting import delete
from entrepot_oss.errors import translating
from entrepot_oss.places import Place
from entrepot_oss.settling import unbroken
from entrepot_oss.signing import Signer
from entrepot_oss.upload import OssUpload
from entrepot_oss.verbs import Verbs, entry_of


class OssDriver(Driver):
    def __init__(
        self,
        verbs: Verbs,
        public: Place,
        signer: Signer,
        credentials: Credentials,
        *,
        exclusive: bool,
    ) -> None:
        self.exclusive_create = exclusive
        self._verbs = verbs
        self.public = public
        self._signer = signer
        self.credentials = credentials

    async def stat(self, key: str) -> Entry:
        with translating(key):
            return entry_of(key, await self._verbs.head(self._verbs.root + key))

    def read(
        self, key: str, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        return reading.read(self._verbs, key, start, stop)

    async def write(self, key: str, chunks: AsyncIterator[bytes], *, create: bool = False) -> Entry:
        return await writing.write(self._verbs, key, chunks, create=create)

    async def delete(self, keys: Sequence[str]) -> None:
        root = self._verbs.root
        failures = await unbroken(delete(self._verbs, [root + key for key in keys]))
        if failures:
            named = ((name.removeprefix(root), refused) for name, refused in failures.items())
            raise DeleteError({key: refused.error(key) for key, refused in named})

    def scan(
        self, prefix: str, *, after: str = "", delimiter: str = ""
    ) -> AsyncGenerator[Entry | Prefix, None]:
        return listing.scan(self._verbs, prefix, after, delimiter)

    async def copy(self, source: str, target: str) -> Entry:
        root = self._verbs.root
        with translating(source):
            found = await self._verbs.head(root + source)
            entry = entry_of(target, found)
            if source == target:
                return entry
            etag = found.headers.get("ETag", "")
            modified = await copy(self._verbs, root + source, root + target, entry.size, etag)
        return Entry(target, entry.size, modified)

    async def link(self, key: str, method: Literal["GET", "HEAD"], seconds: int) -> str | None:
        keys = await self.credentials.keys()
        now = time.time()
        lasting = max(int(min(seconds, keys.ends - now)), 1)
        name = self._verbs.root + key
        return self._signer.link(method, self.public, name, keys, now, lasting)

    def upload(self, token: str) -> Upload:
        return OssUpload(self._verbs, token)
