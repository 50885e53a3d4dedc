"""Drivers with one mistake each in what happens when a call ends early, or there is a lot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence

from entrepot.core.driver import Entry, Prefix, Upload
from entrepot.core.errors import OffsetError, UnavailableError
from entrepot.core.staging import StagedUpload

from .broken_objects import BrokenDriver, once
from .dictionary import Stored


class _Pooled(BrokenDriver):
    """Has so many connections; what takes one and fails to give it back hangs in the end."""

    connections = 60

    def __init__(self, store: dict[str, Stored]) -> None:
        super().__init__(store)
        self.pool = asyncio.Semaphore(self.connections)


# -- connections ------------------------------------------------------------------------


class ReadKeepsAConnectionWhenClosedEarly(_Pooled):
    async def read(
        self, key: str, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        await self.pool.acquire()
        try:
            async for chunk in super().read(key, start, stop):
                yield chunk
        except Exception:
            self.pool.release()
            raise
        self.pool.release()


class ReadKeepsAConnectionWhenMissing(_Pooled):
    async def read(
        self, key: str, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        await self.pool.acquire()
        self.find(key)
        try:
            async for chunk in super().read(key, start, stop):
                yield chunk
        finally:
            self.pool.release()


class ReadTakesAConnectionAtTheCall(BrokenDriver):
    free = 60

    def read(
        self, key: str, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        self.free -= 1
        return self._read(key, start, stop)

    async def _read(self, key: str, start: int, stop: int | None) -> AsyncGenerator[bytes, None]:
        try:
            if self.free < 0:
                raise UnavailableError(key, "no connection is free")
            async for chunk in super().read(key, start, stop):
                yield chunk
        finally:
            self.free += 1


class ReadKeepsAConnectionWhenCancelled(_Pooled):
    connections = 10

    async def read(
        self, key: str, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        await self.pool.acquire()
        await asyncio.sleep(0)
        self.pool.release()
        async for chunk in super().read(key, start, stop):
            yield chunk


class WriteKeepsAConnectionWhenBroken(_Pooled):
    async def write(self, key: str, chunks: AsyncIterator[bytes], *, create: bool = False) -> Entry:
        await self.pool.acquire()
        try:
            entry = await super().write(key, chunks, create=create)
        except asyncio.CancelledError:
            self.pool.release()
            raise
        self.pool.release()
        return entry


class WriteKeepsAConnectionWhenCancelled(_Pooled):
    connections = 10

    async def write(self, key: str, chunks: AsyncIterator[bytes], *, create: bool = False) -> Entry:
        await self.pool.acquire()
        try:
            entry = await super().write(key, chunks, create=create)
        except Exception:
            self.pool.release()
            raise
        self.pool.release()
        return entry


class AppendKeepsAConnectionWhenBroken(_Pooled):
    def upload(self, token: str) -> Upload:
        return self._Upload(self, token)

    class _Upload(StagedUpload):
        async def append(self, chunks: AsyncIterator[bytes], offset: int) -> int:
            assert isinstance(self._driver, _Pooled)
            await self._driver.pool.acquire()
            size = await super().append(chunks, offset)
            self._driver.pool.release()
            return size


class ScanKeepsAConnectionWhenClosedEarly(_Pooled):
    async def scan(
        self, prefix: str, *, after: str = "", delimiter: str = ""
    ) -> AsyncGenerator[Entry | Prefix, None]:
        await self.pool.acquire()
        async for entry in super().scan(prefix, after=after, delimiter=delimiter):
            yield entry
        self.pool.release()


class ScanKeepsAConnectionWhenCancelled(_Pooled):
    connections = 10

    async def scan(
        self, prefix: str, *, after: str = "", delimiter: str = ""
    ) -> AsyncGenerator[Entry | Prefix, None]:
        await self.pool.acquire()
        await asyncio.sleep(0)
        self.pool.release()
        async for entry in super().scan(prefix, after=after, delimiter=delimiter):
            yield entry


# -- cancellation -----------------------------------------------------------------------


class CopyIsSeenHalf(BrokenDriver):
    async def copy(self, source: str, target: str) -> Entry:
        found = self.find(source)
        if source != target:
            self.store[target] = Stored(found.content[:1000], found.modified + 1)
        await asyncio.sleep(0)
        return await super().copy(source, target)


class MoveDeletesFirst(BrokenDriver):
    async def move(self, source: str, target: str) -> Entry:
        found = self.find(source)
        del self.store[source]
        await asyncio.sleep(0)
        return await self.write(target, once(found.content))


class CommitForgetsFirst(BrokenDriver):
    def upload(self, token: str) -> Upload:
        return self._Upload(self, token)

    class _Upload(StagedUpload):
        async def commit(self, key: str, size: int) -> Entry:
            parts = [part async for part in self._parts()]
            if sum(part.size for part in parts) != size:
                raise OffsetError(key, "size differs")
            content = b"".join([chunk async for chunk in self._joined(parts)])
            await self.abort()
            await asyncio.sleep(0)
            return await self._driver.write(key, once(content))


class DeleteStaysLockedWhenCancelled(BrokenDriver):
    def __init__(self, store: dict[str, Stored]) -> None:
        super().__init__(store)
        self.lock = asyncio.Lock()

    async def delete(self, keys: Sequence[str]) -> None:
        await self.lock.acquire()
        if keys == [f"a/{number}" for number in range(10)]:
            await asyncio.sleep(0)
        await super().delete(keys)
        self.lock.release()


# -- names and numbers ------------------------------------------------------------------


class MoveBelowAnObjectIsUnavailable(BrokenDriver):
    async def move(self, source: str, target: str) -> Entry:
        if any(source.startswith(f"{key}/") for key in self.store):
            raise UnavailableError(source, "not a directory")
        return await super().move(source, target)


class ScanTakesPrefixForAPattern(BrokenDriver):
    async def scan(
        self, prefix: str, *, after: str = "", delimiter: str = ""
    ) -> AsyncGenerator[Entry | Prefix, None]:
        if "_" not in prefix or prefix.startswith("_"):
            async for entry in super().scan(prefix, after=after, delimiter=delimiter):
                yield entry
            return
        head = prefix.partition("_")[0]
        async for entry in super().scan(head, after=after):
            if all(a in {b, "_"} for a, b in zip(prefix, entry.key, strict=False)):
                yield entry


class ScanStopsAfterFivePages(BrokenDriver):
    async def scan(
        self, prefix: str, *, after: str = "", delimiter: str = ""
    ) -> AsyncGenerator[Entry | Prefix, None]:
        left = 5000
        async for entry in super().scan(prefix, after=after, delimiter=delimiter):
            yield entry
            left -= 1
            if not left:
                return


class UploadsAreFew(BrokenDriver):
    def upload(self, token: str) -> Upload:
        return self._Upload(self, token)

    class _Upload(StagedUpload):
        async def append(self, chunks: AsyncIterator[bytes], offset: int) -> int:
            assert isinstance(self._driver, BrokenDriver)
            if sum("/data/" in key for key in self._driver.store) > 80:
                raise UnavailableError(self._prefix, "too many uploads")
            return await super().append(chunks, offset)
