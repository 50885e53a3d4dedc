"""The driver over two stores; `docs/migration.md` tells what it promises, and when.

The first store is the truth: requests alone change it, and the second follows it. What is
written is in the second before it is in the first, what is removed leaves the first before the
second; so the first has nothing that the second lacks, unless a process died on the way.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Sequence
from contextlib import aclosing, contextmanager
from typing import Literal

from entrepot.core import (
    DeleteError,
    Driver,
    Entry,
    NotFoundError,
    Prefix,
    StorageError,
    UnavailableError,
    Upload,
    WrappingDriver,
    layout,
)
from entrepot.core.concurrency import each
from entrepot.core.errors import DigestInvalidError
from entrepot.core.migrating.copying import Copier, DamagedError
from entrepot.core.migrating.following import fingerprint, follow
from entrepot.core.names import Digest
from entrepot.core.streams import once
from entrepot.core.threads import Threads
from entrepot.drivers.mirror.merging import merged
from entrepot.drivers.mirror.teeing import Tee
from entrepot.drivers.mirror.upload import MirrorUpload

_REPOSITORIES = re.escape(layout.REPOSITORIES)
_SESSION = re.compile(rf"{_REPOSITORIES}.+/_uploads/.+")
_LINK = re.compile(rf"{_REPOSITORIES}.+/(?:_layers|_manifests/revisions)/[^/]+/[^/]+/link")


class MirrorDriver(WrappingDriver):
    """`first`, with `second` as its equal.

    What only the second has is found, too; what both have comes from the first.
    """

    def __init__(self, first: Driver, second: Driver, threads: Threads) -> None:
        super().__init__(first)
        self.second = second
        self.collectable = False  # while the stores change places, replicas ask different ones
        self._to_second = Copier(first, second, threads)
        self._to_first = Copier(second, first, threads)

    async def stat(self, key: str) -> Entry:
        try:
            return await self.driver.stat(key)
        except NotFoundError:
            return await self.second.stat(key)

    async def read(
        self, key: str, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        is_here = False
        try:
            async with aclosing(self.driver.read(key, start, stop)) as chunks:
                async for chunk in chunks:
                    is_here = True
                    yield chunk
            return
        except NotFoundError:
            if is_here:
                raise
        async with aclosing(self.second.read(key, start, stop)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def write(self, key: str, chunks: AsyncIterator[bytes], *, create: bool = False) -> Entry:
        """With `create`, the first store decides alone, and the second follows."""
        if _SESSION.fullmatch(key):
            return await self.driver.write(key, chunks, create=create)
        if _LINK.fullmatch(key):
            chunks = await self._checked(chunks)
        if create:
            entry = await self.driver.write(key, chunks, create=True)
            await self._agree(key)
            return entry
        return await self._write_both(key, chunks)

    async def delete(self, keys: Sequence[str]) -> None:
        failures: dict[str, StorageError] = {}
        for driver in (self.driver, self.second):
            try:
                await driver.delete([key for key in keys if key not in failures])
            except DeleteError as error:
                failures |= error.failures

        async def settle(key: str) -> None:
            try:
                await self._agree(key)
            except StorageError as error:
                failures[key] = error

        await each(settle, [key for key in keys if key not in failures])
        if failures:
            raise DeleteError(failures)

    def scan(
        self, prefix: str, *, after: str = "", delimiter: str = ""
    ) -> AsyncGenerator[Entry | Prefix, None]:
        return merged(
            self.driver.scan(prefix, after=after, delimiter=delimiter),
            self.second.scan(prefix, after=after, delimiter=delimiter),
        )

    async def copy(self, source: str, target: str) -> Entry:
        try:
            entry = await self.driver.copy(source, target)
        except NotFoundError:
            return await self._bring(source, target)
        await self._agree(target)
        return entry

    async def move(self, source: str, target: str) -> Entry:
        if source == target:
            return await self.stat(source)
        try:
            entry = await self.driver.move(source, target)
        except NotFoundError:
            entry = await self._bring(source, target)
        await self._agree(target)
        await self.delete([source])
        return entry

    async def link(self, key: str, method: Literal["GET", "HEAD"], seconds: int) -> str | None:
        url = await self.driver.link(key, method, seconds)
        if url is None:
            return None
        try:
            await self.driver.stat(key)
        except NotFoundError:
            return await self.second.link(key, method, seconds)
        return url

    def upload(self, token: str) -> Upload:
        return MirrorUpload(self.driver, self.second, token, self._committed)

    # -- both stores --------------------------------------------------------------------

    async def _write_both(self, key: str, chunks: AsyncIterator[bytes]) -> Entry:
        entry = await Tee(chunks).write(self.driver, self.second, key)
        await self._agree(key)
        return entry

    async def _bring(self, source: str, target: str) -> Entry:
        """Like `copy`, of what only the second store has."""
        async with aclosing(self.second.read(source)) as chunks:
            return await self.write(target, chunks)

    async def _committed(self, key: str, holder: Driver) -> None:
        """See to it that both stores have what was committed in one of them."""
        if _SESSION.fullmatch(key):
            return
        if holder is self.second:
            await self._copy_to_first(key)
        await self._agree(key)

    async def _agree(self, key: str) -> None:
        """Look whether the second store has what the first has, and make it so.

        Raises StorageError.
        """
        if not _SESSION.fullmatch(key):
            here, there = await self._fingerprints(key)
            if here != there:
                await self._follow(key)

    async def _fingerprints(self, key: str) -> list[str | None]:
        stores = self.driver, self.second
        return await each(lambda driver: fingerprint(driver, key), stores)

    async def _follow(self, key: str) -> None:
        with _told_as_storage(key):
            await follow(self.driver, self.second, key, self._to_second.copy)

    async def _copy_to_first(self, key: str) -> None:
        with _told_as_storage(key):
            await self._to_first.copy(key)

    async def _checked(self, chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        """A link that is to be written, once both stores have the blob that it names.

        The blob may be older than the mirror, or left by a push that failed in one store; a client
        that is told of it does not push it again.
        """
        content = b"".join([chunk async for chunk in chunks])
        try:
            key = layout.blob(Digest.parse(content.decode("ascii", "replace").strip()))
        except DigestInvalidError:
            return once(content)
        here, there = await self._fingerprints(key)
        if here is None and there is not None:
            await self._copy_to_first(key)
        elif here != there:
            await self._follow(key)
        return once(content)


@contextmanager
def _told_as_storage(key: str) -> Generator[None, None, None]:
    """A driver raises storage errors only."""
    try:
        yield
    except DamagedError as error:
        raise UnavailableError(key, str(error)) from error
