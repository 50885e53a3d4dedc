"""Drivers with one mistake each, each of a kind that real backends invite to."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing

from entrepot.core.driver import Driver, Entry, Prefix, Upload
from entrepot.core.errors import ExistsError, NotFoundError, OffsetError, UnavailableError
from entrepot.core.staging import StagedUpload

from .dictionary import MIB, DictionaryDriver, Stored


class BrokenDriver(DictionaryDriver):
    """Keeps `super()` of all the others a correct driver."""


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
        return await super().write(key, _once(content), create=create)


class WriteTakesCancellationForTheEnd(BrokenDriver):
    async def write(self, key: str, chunks: AsyncIterator[bytes], *, create: bool = False) -> Entry:
        content = b""
        try:
            async for chunk in chunks:
                content += chunk
        except asyncio.CancelledError:
            pass
        return await super().write(key, _once(content), create=create)


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
        return await super().write(key, _once(content), create=create)


class WriteLeavesATemporaryObject(BrokenDriver):
    async def write(self, key: str, chunks: AsyncIterator[bytes], *, create: bool = False) -> Entry:
        await super().write(f"{key}.tmp", _once(b""))
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
        return await super().write(key, _once(content))


class CreateReplaces(BrokenDriver):
    async def write(self, key: str, chunks: AsyncIterator[bytes], *, create: bool = False) -> Entry:
        return await super().write(key, chunks)


class CreateClaimsBeforeTheStream(BrokenDriver):
    async def write(self, key: str, chunks: AsyncIterator[bytes], *, create: bool = False) -> Entry:
        if create:
            await super().write(key, _once(b""), create=True)
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


# -- scan -------------------------------------------------------------------------------


class ScanInOrderOfWriting(BrokenDriver):
    async def scan(
        self, prefix: str, *, after: str = "", delimiter: str = ""
    ) -> AsyncGenerator[Entry | Prefix, None]:
        found = {entry.key: entry async for entry in super().scan(prefix, after=after)}
        given = set[str]()
        for key in [key for key in self.store if key in found]:
            head, cut, _ = key[len(prefix) :].partition(delimiter or "\0")
            if not cut:
                yield found[key]
            elif head not in given:
                given.add(head)
                yield Prefix(f"{prefix}{head}/")


class ScanInOrderOfFolders(BrokenDriver):
    async def scan(
        self, prefix: str, *, after: str = "", delimiter: str = ""
    ) -> AsyncGenerator[Entry | Prefix, None]:
        entries = [e async for e in super().scan(prefix, after=after, delimiter=delimiter)]
        for entry in sorted(entries, key=lambda entry: entry.key.split("/")):
            yield entry


class ScanIncludesAfter(BrokenDriver):
    async def scan(
        self, prefix: str, *, after: str = "", delimiter: str = ""
    ) -> AsyncGenerator[Entry | Prefix, None]:
        if after in self.store and after.startswith(prefix) and not delimiter:
            yield self.entry(after)
        async for entry in super().scan(prefix, after=after, delimiter=delimiter):
            yield entry


class ScanIgnoresDelimiter(BrokenDriver):
    async def scan(
        self, prefix: str, *, after: str = "", delimiter: str = ""
    ) -> AsyncGenerator[Entry | Prefix, None]:
        async for entry in super().scan(prefix, after=after):
            yield entry


class ScanGivesPrefixesFirst(BrokenDriver):
    async def scan(
        self, prefix: str, *, after: str = "", delimiter: str = ""
    ) -> AsyncGenerator[Entry | Prefix, None]:
        entries = [e async for e in super().scan(prefix, after=after, delimiter=delimiter)]
        for entry in sorted(entries, key=lambda entry: isinstance(entry, Entry)):
            yield entry


class ScanPassesOverABegunFolder(BrokenDriver):
    async def scan(
        self, prefix: str, *, after: str = "", delimiter: str = ""
    ) -> AsyncGenerator[Entry | Prefix, None]:
        async for entry in super().scan(prefix, after=after, delimiter=delimiter):
            if isinstance(entry, Entry) or entry.key > after:
                yield entry


class ScanTakesPrefixForAFolder(BrokenDriver):
    async def scan(
        self, prefix: str, *, after: str = "", delimiter: str = ""
    ) -> AsyncGenerator[Entry | Prefix, None]:
        if prefix and not prefix.endswith("/"):
            prefix += "/"
        async for entry in super().scan(prefix, after=after, delimiter=delimiter):
            yield entry


class ScanStopsAfterOnePage(BrokenDriver):
    async def scan(
        self, prefix: str, *, after: str = "", delimiter: str = ""
    ) -> AsyncGenerator[Entry | Prefix, None]:
        left = 1000
        async for entry in super().scan(prefix, after=after, delimiter=delimiter):
            yield entry
            left -= 1
            if not left:
                return


class ScanRemembers(BrokenDriver):
    def __init__(self, store: dict[str, Stored]) -> None:
        super().__init__(store)
        self.seen: dict[tuple[str, str, str], list[Entry | Prefix]] = {}

    async def write(self, key: str, chunks: AsyncIterator[bytes], *, create: bool = False) -> Entry:
        entry = await super().write(key, chunks, create=create)
        self.seen.clear()
        return entry

    async def delete(self, keys: Sequence[str]) -> None:
        await super().delete(keys)
        self.seen.clear()

    async def scan(
        self, prefix: str, *, after: str = "", delimiter: str = ""
    ) -> AsyncGenerator[Entry | Prefix, None]:
        asked = (prefix, after, delimiter)
        if asked not in self.seen:
            found = super().scan(prefix, after=after, delimiter=delimiter)
            self.seen[asked] = [entry async for entry in found]
        for entry in self.seen[asked]:
            yield entry


# -- copy and move ----------------------------------------------------------------------


class CopyInTheBackground(BrokenDriver):
    def __init__(self, store: dict[str, Stored]) -> None:
        super().__init__(store)
        self.tasks = set[asyncio.Task[Entry]]()

    async def copy(self, source: str, target: str) -> Entry:
        entry = await self.stat(source)
        if source != target:
            task = asyncio.ensure_future(super().copy(source, target))
            self.tasks.add(task)
        return Entry(target, entry.size, entry.modified)


class MoveClearsTheTargetFirst(BrokenDriver):
    async def move(self, source: str, target: str) -> Entry:
        await self.delete([target])
        return await super().move(source, target)


class MoveLeavesTheSource(BrokenDriver):
    async def move(self, source: str, target: str) -> Entry:
        return await self.copy(source, target)


# -- upload -----------------------------------------------------------------------------


class UploadIgnoresOffset(BrokenDriver):
    def upload(self, token: str) -> Upload:
        return self._Upload(self, token)

    class _Upload(StagedUpload):
        async def append(self, chunks: AsyncIterator[bytes], offset: int) -> int:
            return await super().append(chunks, await self.size())


class UploadLosesItsLastPart(BrokenDriver):
    def upload(self, token: str) -> Upload:
        return self._Upload(self, token)

    class _Upload(StagedUpload):
        async def commit(self, key: str, size: int) -> Entry:
            parts = [part async for part in self._parts()]
            if len(parts) > 1 and sum(part.size for part in parts) == size:
                await self._driver.delete([parts[-1].key])
                size -= parts[-1].size
            return await super().commit(key, size)


class UploadIsKeptInTheInstance(BrokenDriver):
    def __init__(self, store: dict[str, Stored]) -> None:
        super().__init__(store)
        self.aside = DictionaryDriver({})

    def upload(self, token: str) -> Upload:
        return self._Upload(self, self.aside, token)

    class _Upload(StagedUpload):
        def __init__(self, driver: Driver, aside: Driver, token: str) -> None:
            super().__init__(aside, token)
            self._target = driver

        async def commit(self, key: str, size: int) -> Entry:
            await super().commit("done", size)
            async with aclosing(self._driver.read("done")) as chunks:
                return await self._target.write(key, chunks)


class UploadCommitsWhateverThereIs(BrokenDriver):
    def upload(self, token: str) -> Upload:
        return self._Upload(self, token)

    class _Upload(StagedUpload):
        async def commit(self, key: str, size: int) -> Entry:
            return await super().commit(key, await self.size())


class UploadSweepsBelowItsToken(BrokenDriver):
    def upload(self, token: str) -> Upload:
        return self._Upload(self, token)

    class _Upload(StagedUpload):
        async def abort(self) -> None:
            token = self._prefix.removesuffix("data/")
            await self._driver.delete([entry.key async for entry in self._driver.scan(token)])


class UploadAbortsTokensThatBeginAlike(BrokenDriver):
    def upload(self, token: str) -> Upload:
        return self._Upload(self, token)

    class _Upload(StagedUpload):
        async def abort(self) -> None:
            token = self._prefix.removesuffix("/data/")
            found = [entry.key async for entry in self._driver.scan(token)]
            await self._driver.delete([key for key in found if "/data/" in key])


class UploadLeavesItsParts(BrokenDriver):
    def upload(self, token: str) -> Upload:
        return self._Upload(self, token)

    class _Upload(StagedUpload):
        async def commit(self, key: str, size: int) -> Entry:
            parts = [part async for part in self._parts()]
            if sum(part.size for part in parts) != size:
                raise OffsetError(key, "size differs")
            return await self._driver.write(key, self._joined(parts))


class UploadOrdersPartsByText(BrokenDriver):
    def upload(self, token: str) -> Upload:
        return self._Upload(self, token)

    class _Upload(StagedUpload):
        async def _joined(self, parts: list[Entry]) -> AsyncGenerator[bytes, None]:
            parts.sort(key=lambda part: str(int(part.key.rpartition("/")[2])))
            async for chunk in super()._joined(parts):
                yield chunk


class UploadKeepsAFalsePrefix(BrokenDriver):
    def upload(self, token: str) -> Upload:
        return self._Upload(self, token)

    class _Upload(StagedUpload):
        async def append(self, chunks: AsyncIterator[bytes], offset: int) -> int:
            try:
                return await super().append(chunks, offset)
            except (OffsetError, AssertionError):
                raise
            except BaseException:
                await super().append(_once(b"what never came"), offset)
                raise


async def _once(content: bytes) -> AsyncGenerator[bytes, None]:
    yield content


BROKEN = tuple(BrokenDriver.__subclasses__())
