"""Drivers over a folder that are right within one process, and wrong with two."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, MutableMapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import ClassVar, cast
from urllib.parse import quote, unquote
from uuid import uuid4

from entrepot.core.driver import Driver, Entry, Prefix, Upload
from entrepot.core.errors import ExistsError
from entrepot.core.staging import StagedUpload
from entrepot.core.testing import Opening
from entrepot.core.testing.material import MIB

from .broken_objects import BrokenDriver, once
from .dictionary import DictionaryDriver, Stored


class _Folder(MutableMapping[str, Stored]):
    """A dictionary that processes share: a file for each key."""

    def __init__(self, path: Path) -> None:
        self.objects = path / "objects"
        self.begun = path / "begun"
        for folder in (self.objects, self.begun):
            folder.mkdir(exist_ok=True)

    def file(self, key: str) -> Path:
        return self.objects / f"{quote(key, safe='')}.o"

    def saved(self, content: bytes) -> Path:
        path = self.begun / uuid4().hex
        path.write_bytes(content)
        return path

    def __getitem__(self, key: str) -> Stored:
        try:
            with self.file(key).open("rb") as file:
                return Stored(file.read(), os.fstat(file.fileno()).st_mtime)
        except (FileNotFoundError, OSError):
            raise KeyError(key) from None

    def __contains__(self, key: object) -> bool:
        return self.file(str(key)).exists()

    def __setitem__(self, key: str, stored: Stored) -> None:
        self.saved(stored.content).replace(self.file(key))

    def __delitem__(self, key: str) -> None:
        try:
            self.file(key).unlink()
        except FileNotFoundError:
            raise KeyError(key) from None

    def __iter__(self) -> Iterator[str]:
        return iter([unquote(name[:-2]) for name in os.listdir(self.objects)])

    def __len__(self) -> int:
        return len(os.listdir(self.objects))


class _FolderDriver(BrokenDriver):
    """Right; its files have names short enough for all keys but the longest."""

    patience = 60.0

    @classmethod
    def opening(cls, _folder: Path) -> Opening:
        return partial(cls.opened, _folder)

    @classmethod
    @asynccontextmanager
    async def opened(cls, folder: Path) -> AsyncGenerator[Driver, None]:
        yield cls(cast("dict[str, Stored]", _Folder(folder)))

    @property
    def folder(self) -> _Folder:
        return cast("_Folder", self.store)

    async def write(self, key: str, chunks: AsyncIterator[bytes], *, create: bool = False) -> Entry:
        content = b"".join([chunk async for chunk in chunks])
        if not create:
            return await super().write(key, once(content))
        begun = self.folder.saved(content)
        try:
            self.folder.file(key).hardlink_to(begun)
        except FileExistsError:
            raise ExistsError(key) from None
        finally:
            begun.unlink()
        return self.entry(key)


class CreateIsExclusiveInOneProcess(_FolderDriver):
    async def write(self, key: str, chunks: AsyncIterator[bytes], *, create: bool = False) -> Entry:
        content = b"".join([chunk async for chunk in chunks])
        if create:
            if key in self.store:
                raise ExistsError(key)
            time.sleep(0.02)  # noqa: ASYNC251 - alone in this process, while others look, too
        return await super().write(key, once(content))


class ReadsAreRememberedInTheProcess(_FolderDriver):
    seen: ClassVar[dict[Path, Stored]] = {}

    def find(self, key: str) -> Stored:
        file = self.folder.file(key)
        if file in self.seen and file.exists():
            return self.seen[file]
        found = super().find(key)
        self.seen[file] = found
        return found

    async def write(self, key: str, chunks: AsyncIterator[bytes], *, create: bool = False) -> Entry:
        await super().write(key, chunks, create=create)
        self.seen.pop(self.folder.file(key), None)
        return self.entry(key)


class UploadIsHeldInTheProcess(_FolderDriver):
    aside: ClassVar[dict[Path, DictionaryDriver]] = {}

    def upload(self, token: str) -> Upload:
        aside = self.aside.setdefault(self.folder.objects, DictionaryDriver({}))
        return self._Upload(self, aside, token)

    class _Upload(StagedUpload):
        def __init__(self, driver: Driver, aside: Driver, token: str) -> None:
            super().__init__(aside, token)
            self._target = driver

        async def commit(self, key: str, size: int) -> Entry:
            await super().commit("done", size)
            return await self._target.write(key, self._driver.read("done"))


class AppendReservesItsRoom(_FolderDriver):
    def upload(self, token: str) -> Upload:
        return self._Upload(self, token)

    class _Upload(StagedUpload):
        async def append(self, chunks: AsyncIterator[bytes], offset: int) -> int:
            first = await anext(aiter(chunks), b"")
            if not first or offset != await self.size():
                return await super().append(once(first), offset)
            key = f"{self._prefix}{offset:020d}"
            await self._driver.write(key, once(bytes(8 * MIB)), create=True)
            try:
                content = first + b"".join([chunk async for chunk in chunks])
                return offset + (await self._driver.write(key, once(content))).size
            except BaseException:
                await self._driver.delete([key])
                raise


class WriteHidesItsTemporaryObject(_FolderDriver):
    hidden: ClassVar[set[str]] = set()

    async def write(self, key: str, chunks: AsyncIterator[bytes], *, create: bool = False) -> Entry:
        temporary = f"{key}.{os.getpid()}.tmp"  # two processes are not to meet at it
        self.hidden.add(temporary)
        self.store[temporary] = Stored(b"", time.time())
        try:
            return await super().write(key, chunks, create=create)
        finally:
            self.store.pop(temporary, None)
            self.hidden.discard(temporary)

    async def scan(
        self, prefix: str, *, after: str = "", delimiter: str = ""
    ) -> AsyncGenerator[Entry | Prefix, None]:
        async for entry in super().scan(prefix, after=after, delimiter=delimiter):
            if entry.key not in self.hidden:
                yield entry
