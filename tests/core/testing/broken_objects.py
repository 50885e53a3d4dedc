"""Drivers with one mistake each in reading, writing or deleting, as real backends invite to."""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import nullcontext
from itertools import count
from pathlib import Path

from entrepot.core.driver import Entry
from entrepot.core.errors import DeleteError, ExistsError, NotFoundError, UnavailableError
from entrepot.core.testing import Opening
from entrepot.core.testing.material import LARGE, MIB

from .dictionary import DictionaryDriver, Stored


async def once(content: bytes) -> AsyncGenerator[bytes, None]:
    yield content


class BrokenDriver(DictionaryDriver):
    """Keeps `super()` of all the others a correct driver."""

    patience = 6.0  # seconds in which a test of it that hangs is ended, and no other needs

    @classmethod
    def opening(cls, _folder: Path) -> Opening:
        """Opens drivers of this kind over one store; the folder is for those that need a disk."""
        store: dict[str, Stored] = {}
        return lambda: nullcontext(cls(store))


# -- stat and read ----------------------------------------------------------------------


class StatTellsAWrongSize(BrokenDriver):
    async def stat(self, key: str) -> Entry:
        entry = await super().stat(key)
        return Entry(key, max(entry.size - 1, 0), entry.modified)


class StatTellsLocalTime(BrokenDriver):
    async def stat(self, key: str) -> Entry:
        entry = await super().stat(key)
        return Entry(key, entry.size, entry.modified + 3600)


class StatFindsFolders(BrokenDriver):
    async def stat(self, key: str) -> Entry:
        if any(other.startswith(f"{key}/") for other in self.store):
            return Entry(key, 0, time.time())
        return await super().stat(key)


class ModifiedIsTheInstancesTime(BrokenDriver):
    instances = count()

    def __init__(self, store: dict[str, Stored]) -> None:
        super().__init__(store)
        self.behind = 60.0 * (next(self.instances) % 2)

    async def write(self, key: str, chunks: AsyncIterator[bytes], *, create: bool = False) -> Entry:
        await super().write(key, chunks, create=create)
        written = self.store[key]
        self.store[key] = Stored(written.content, written.modified - self.behind)
        return self.entry(key)


class ReadIncludesStop(BrokenDriver):
    async def read(
        self, key: str, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        if stop is not None and stop > start:
            stop += 1
        async for chunk in super().read(key, start, stop):
            yield chunk


class ReadTakesEmptyForWhole(BrokenDriver):
    async def read(
        self, key: str, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        async for chunk in super().read(key, start, None if stop == start else stop):
            yield chunk


class ReadRefusesStartPastTheEnd(BrokenDriver):
    async def read(
        self, key: str, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        if start > len(self.find(key).content):
            raise UnavailableError(key, "range not satisfiable")
        async for chunk in super().read(key, start, stop):
            yield chunk


class ReadOfMissingIsEmpty(BrokenDriver):
    async def read(
        self, key: str, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        if key in self.store:
            async for chunk in super().read(key, start, stop):
                yield chunk


class ReadGivesAllAtOnce(BrokenDriver):
    async def read(
        self, key: str, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        content = self.find(key).content[start:stop]
        if content:
            yield content


class ReadLeaksWhenClosedEarly(BrokenDriver):
    async def read(
        self, key: str, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        file = os.open(os.devnull, os.O_RDONLY)
        async for chunk in super().read(key, start, stop):
            yield chunk
        os.close(file)


class ReadFollowsAnOverwrite(BrokenDriver):
    async def read(
        self, key: str, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        stop = len(self.find(key).content) if stop is None else stop
        while chunk := self.find(key).content[start : min(stop, start + MIB)]:
            yield chunk
            start += len(chunk)


class ReadsShareAPosition(BrokenDriver):
    position = 0

    async def read(
        self, key: str, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        content = self.find(key).content[:stop]
        self.position = start
        while chunk := content[self.position : self.position + MIB // 8]:
            self.position += len(chunk)
            await asyncio.sleep(0)
            yield chunk


class ReadsOfLargeObjectsShareAPosition(ReadsShareAPosition):
    async def read(
        self, key: str, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        large = len(self.find(key).content) > 2 * LARGE
        reading = super().read if large else super(ReadsShareAPosition, self).read
        async for chunk in reading(key, start, stop):
            yield chunk


# -- write ------------------------------------------------------------------------------


class WriteInPlace(BrokenDriver):
    async def write(self, key: str, chunks: AsyncIterator[bytes], *, create: bool = False) -> Entry:
        if create:
            return await super().write(key, chunks, create=True)
        self.store[key] = Stored(b"", time.time())
        async for chunk in chunks:
            before = self.store.get(key, Stored(b"", 0))
            self.store[key] = Stored(before.content + chunk, time.time())
        return self.entry(key)


class WriteKeepsWhatCameOfABrokenStream(BrokenDriver):
    async def write(self, key: str, chunks: AsyncIterator[bytes], *, create: bool = False) -> Entry:
        content = b""
        try:
            async for chunk in chunks:
                content += chunk
        except Exception:
            self.store[key] = Stored(content, time.time())
            raise
        return await super().write(key, once(content), create=create)


class WriteTakesCancellationForTheEnd(BrokenDriver):
    async def write(self, key: str, chunks: AsyncIterator[bytes], *, create: bool = False) -> Entry:
        content = b""
        try:
            async for chunk in chunks:
                content += chunk
        except asyncio.CancelledError:
            pass
        return await super().write(key, once(content), create=create)


class WriteWrapsTheStreamsError(BrokenDriver):
    async def write(self, key: str, chunks: AsyncIterator[bytes], *, create: bool = False) -> Entry:
        try:
            return await super().write(key, chunks, create=create)
        except (ExistsError, NotFoundError):
            raise
        except Exception as error:
            raise UnavailableError(key, "write failed") from error


class WriteKeepsALongerEnd(BrokenDriver):
    async def write(self, key: str, chunks: AsyncIterator[bytes], *, create: bool = False) -> Entry:
        content = b"".join([chunk async for chunk in chunks])
        if not create and key in self.store:
            content += self.store[key].content[len(content) :]
        return await super().write(key, once(content), create=create)


class WriteKeepsOldPartsOfALargeObject(WriteKeepsALongerEnd):
    async def write(self, key: str, chunks: AsyncIterator[bytes], *, create: bool = False) -> Entry:
        content = b"".join([chunk async for chunk in chunks])
        if len(content) < 5 * MIB:
            return await super(WriteKeepsALongerEnd, self).write(key, once(content), create=create)
        return await super().write(key, once(content), create=create)


class WriteLeavesATemporaryObject(BrokenDriver):
    async def write(self, key: str, chunks: AsyncIterator[bytes], *, create: bool = False) -> Entry:
        await super().write(f"{key}.tmp", once(b""))
        entry = await super().write(key, chunks, create=create)
        await self.delete([f"{key}.tmp"])
        return entry


class WriteFoldsCase(BrokenDriver):
    async def write(self, key: str, chunks: AsyncIterator[bytes], *, create: bool = False) -> Entry:
        return await super().write(key.lower(), chunks, create=create)

    def find(self, key: str) -> Stored:
        return super().find(key.lower())


class CreateRaces(BrokenDriver):
    async def write(self, key: str, chunks: AsyncIterator[bytes], *, create: bool = False) -> Entry:
        content = b"".join([chunk async for chunk in chunks])
        if create and key in self.store:
            raise ExistsError(key)
        await asyncio.sleep(0)
        return await super().write(key, once(content))


class CreateReplaces(BrokenDriver):
    async def write(self, key: str, chunks: AsyncIterator[bytes], *, create: bool = False) -> Entry:
        return await super().write(key, chunks)


class CreateClaimsBeforeTheStream(BrokenDriver):
    async def write(self, key: str, chunks: AsyncIterator[bytes], *, create: bool = False) -> Entry:
        if create:
            await super().write(key, once(b""), create=True)
        return await super().write(key, chunks)


# -- delete -----------------------------------------------------------------------------


class DeleteRefusesMissing(BrokenDriver):
    async def delete(self, keys: Sequence[str]) -> None:
        for key in keys:
            self.find(key)
            del self.store[key]


class DeleteTakesAPrefix(BrokenDriver):
    async def delete(self, keys: Sequence[str]) -> None:
        for prefix in keys:
            for key in [key for key in self.store if key.startswith(prefix)]:
                del self.store[key]


class DeleteTakesFolders(BrokenDriver):
    async def delete(self, keys: Sequence[str]) -> None:
        for gone in keys:
            for key in [key for key in self.store if f"{key}/".startswith(f"{gone}/")]:
                del self.store[key]


class DeleteSendsOnePage(BrokenDriver):
    async def delete(self, keys: Sequence[str]) -> None:
        await super().delete(keys[:1000])


class DeleteTakesAPattern(BrokenDriver):
    async def delete(self, keys: Sequence[str]) -> None:
        for pattern in keys:
            for key in [key for key in self.store if re.fullmatch(pattern, key)]:
                del self.store[key]


class DeleteRefusesBelowAnObject(BrokenDriver):
    async def delete(self, keys: Sequence[str]) -> None:
        await super().delete(keys)
        below = [key for key in keys if any(key.startswith(f"{other}/") for other in self.store)]
        if below:
            raise DeleteError({key: UnavailableError(key, "not a directory") for key in below})
