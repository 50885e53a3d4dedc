"""Uploads on any driver: one object for each append, joined at commit."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from entrepot.core.driver import Driver, Entry, Upload
from entrepot.core.errors import ExistsError, NotFoundError, OffsetError


class StagedUpload(Upload):
    """Keeps each append under `<token>/data/<offset>`; exclusive creation orders the appends.

    `size` and `append` list the upload's own parts. `commit` reads and writes everything
    once. An append that fails leaves the size as it was.
    """

    def __init__(self, driver: Driver, token: str) -> None:
        self._driver = driver
        self._prefix = f"{token}/data/"

    async def size(self) -> int:
        return sum([part.size async for part in self._parts()])

    async def append(self, chunks: AsyncIterator[bytes], offset: int) -> int:
        size = await self.size()
        if offset != size:
            raise OffsetError(self._prefix, f"upload holds {size} bytes, not {offset}")
        first = await _first(chunks)
        if not first:  # an empty part would occupy the offset of the next append
            return size
        key = f"{self._prefix}{offset:020d}"
        try:
            part = await self._driver.write(key, _again(first, chunks), create=True)
        except ExistsError as error:
            raise OffsetError(self._prefix, f"another append began at {offset}") from error
        return size + part.size

    async def commit(self, key: str, size: int) -> Entry:
        parts = [part async for part in self._parts()]
        held = sum(part.size for part in parts)
        if held != size:
            raise OffsetError(self._prefix, f"upload holds {held} bytes, not {size}")
        try:
            entry = await self._driver.write(key, self._joined(parts))
        except NotFoundError as error:
            raise OffsetError(self._prefix, "upload was committed or aborted meanwhile") from error
        await self.abort()
        return entry

    async def abort(self) -> None:
        """Remove every part, also those that an interrupted removal left without their first."""
        await self._driver.delete([part.key async for part in self._driver.scan(self._prefix)])

    async def _parts(self) -> AsyncGenerator[Entry, None]:
        end = 0
        async for part in self._driver.scan(self._prefix):
            assert isinstance(part, Entry)
            if int(part.key.removeprefix(self._prefix)) == end:  # else: left by a removal
                yield part
                end += part.size

    async def _joined(self, parts: list[Entry]) -> AsyncGenerator[bytes, None]:
        for part in parts:
            async with aclosing(self._driver.read(part.key)) as chunks:
                async for chunk in chunks:
                    yield chunk


async def _first(chunks: AsyncIterator[bytes]) -> bytes:
    """The first chunk that has something in it; empty if there is none."""
    async for chunk in chunks:
        if chunk:
            return chunk
    return b""


async def _again(first: bytes, chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    yield first
    async for chunk in chunks:
        yield chunk
