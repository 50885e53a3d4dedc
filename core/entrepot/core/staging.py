"""Uploads on any driver: one object for each append, joined at commit."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from entrepot.core.driver import Driver, Entry, Upload
from entrepot.core.errors import ExistsError, OffsetError


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
        key = f"{self._prefix}{offset:020d}"
        try:
            part = await self._driver.write(key, chunks, create=True)
        except ExistsError as error:
            raise OffsetError(self._prefix, f"another append began at {offset}") from error
        if part.size == 0:  # it would occupy the offset of the next append
            await self._driver.delete([key])
        return size + part.size

    async def commit(self, key: str, size: int) -> Entry:
        parts = [part async for part in self._parts()]
        held = sum(part.size for part in parts)
        if held != size:
            raise OffsetError(self._prefix, f"upload holds {held} bytes, not {size}")
        entry = await self._driver.write(key, self._joined(parts))
        await self._driver.delete([part.key for part in parts])
        return entry

    async def abort(self) -> None:
        await self._driver.delete([part.key async for part in self._parts()])

    async def _parts(self) -> AsyncGenerator[Entry, None]:
        end = 0
        async for part in self._driver.scan(self._prefix):
            assert isinstance(part, Entry)
            if int(part.key.removeprefix(self._prefix)) == end:  # else: a loser's empty part
                yield part
                end += part.size

    async def _joined(self, parts: list[Entry]) -> AsyncGenerator[bytes, None]:
        for part in parts:
            async with aclosing(self._driver.read(part.key)) as chunks:
                async for chunk in chunks:
                    yield chunk
