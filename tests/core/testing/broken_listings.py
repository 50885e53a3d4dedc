"""Drivers with one mistake each in scanning, copying or uploading."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing

from entrepot.core.driver import Driver, Entry, Prefix, Upload
from entrepot.core.errors import OffsetError
from entrepot.core.staging import StagedUpload

from .broken_objects import BrokenDriver, once
from .dictionary import DictionaryDriver, Stored

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
                await super().append(once(b"what never came"), offset)
                raise
