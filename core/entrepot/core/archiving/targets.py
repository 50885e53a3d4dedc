"""Layouts that are written: a folder, which a second run goes on with, or a tar, at once.

Either has an index only when everything that it names is there.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from entrepot.core.archiving import layouts, tars
from entrepot.core.archiving.errors import ArchiveError
from entrepot.core.archiving.names import annotated, identity
from entrepot.core.manifest import Descriptor
from entrepot.core.names import Digest
from entrepot.core.streams import once
from entrepot.core.threads import Threads

TAR = ".tar"
_WIDTH = 4
_UNFINISHED = ".unfinished"
_COMPRESSED = {".gz", ".tgz", ".xz", ".bz2", ".zst"}


class Target(ABC):
    """A layout in the making, to which `width` contents may be written at a time."""

    width = 1

    def __init__(self, path: Path, threads: Threads) -> None:
        self.name = str(path)
        self._path = path
        self._threads = threads

    @abstractmethod
    async def has(self, digest: Digest, size: int) -> bool:
        """Whether this content is there whole."""

    @abstractmethod
    async def write(self, digest: Digest, size: int, chunks: AsyncIterator[bytes]) -> None:
        """Store a stream of so many bytes, whole or not at all.

        What `chunks` raises, because a digest is wrong, comes through, and nothing is stored.
        """

    @abstractmethod
    async def finish(self, entries: Sequence[Descriptor]) -> None:
        """Write the index; everything that it names is there."""


class _Folder(Target):
    width = _WIDTH

    async def prepare(self) -> None:
        """Make it a layout, or find that it is one, and remove what a killed run left."""
        if not (self._path / layouts.MARK).exists():
            if self._path.is_dir() and any(map(_is_foreign, self._path.iterdir())):
                raise ArchiveError(f"{self.name} is not empty, and no image layout")
            await self._put(layouts.MARK, layouts.mark())
        self._others([])  # an index that cannot be read is told before the work
        (self._path / layouts.BLOBS).mkdir(exist_ok=True)
        for file in (self._path / _UNFINISHED).glob("*"):
            file.unlink()

    async def has(self, digest: Digest, size: int) -> bool:
        return await self._threads.run(_size, self._path / layouts.path_of(digest)) == size

    async def write(self, digest: Digest, size: int, chunks: AsyncIterator[bytes]) -> None:
        target = self._path / layouts.path_of(digest)
        await self._replace(target, self._path / _UNFINISHED / digest.hex, chunks)

    async def finish(self, entries: Sequence[Descriptor]) -> None:
        with suppress(FileNotFoundError):
            (self._path / _UNFINISHED).rmdir()
        index = layouts.index_of(annotated([*self._others(entries), *entries]))
        await self._put(layouts.INDEX, index)

    def _others(self, entries: Sequence[Descriptor]) -> list[Descriptor]:
        """What an earlier run named and this one does not."""
        try:
            content = (self._path / layouts.INDEX).read_bytes()
        except FileNotFoundError:
            return []
        replaced = {identity(entry) for entry in entries}
        earlier = layouts.entries_of(content, self.name)
        return [entry for entry in earlier if identity(entry) not in replaced]

    async def _replace(self, target: Path, unfinished: Path, chunks: AsyncIterator[bytes]) -> None:
        """Write a file under another name first, and durably."""
        with _create(unfinished) as file:
            try:
                async for chunk in chunks:
                    await self._threads.run(_write, file, chunk)
                await self._threads.run(_sync, file)
                await self._threads.run(_rename, unfinished, target)
            except BaseException:
                _remove(unfinished)
                raise

    async def _put(self, name: str, content: bytes) -> None:
        unfinished = self._path / f"{name}{_UNFINISHED}"
        await self._replace(self._path / name, unfinished, once(content))


class _Tar(Target):
    def __init__(self, path: Path, threads: Threads, file: BinaryIO) -> None:
        super().__init__(path, threads)
        self._file = file
        self._written: set[bytes] = set()

    async def has(self, digest: Digest, size: int) -> bool:
        return bytes.fromhex(digest.hex) in self._written

    async def write(self, digest: Digest, size: int, chunks: AsyncIterator[bytes]) -> None:
        await self._add(layouts.path_of(digest), size, chunks)
        self._written.add(bytes.fromhex(digest.hex))

    async def finish(self, entries: Sequence[Descriptor]) -> None:
        for name, content in (
            (layouts.MARK, layouts.mark()),
            (layouts.INDEX, layouts.index_of(annotated(entries))),
        ):
            await self._add(name, len(content), once(content))
        await self._append(tars.END)
        await self._threads.run(_sync, self._file)

    async def _add(self, name: str, size: int, chunks: AsyncIterator[bytes]) -> None:
        begin = self._file.tell()
        try:
            await self._append(tars.header(name, size))
            async for chunk in chunks:
                await self._append(chunk)
            await self._append(tars.padding(size))
        except BaseException:
            self._file.seek(begin)
            self._file.truncate()
            raise

    async def _append(self, content: bytes) -> None:
        await self._threads.run(_write, self._file, content)


@asynccontextmanager
async def open_target(path: Path) -> AsyncGenerator[Target, None]:
    """A layout to be written: a tar if its name ends so, else a folder, which may be there.

    A tar takes the place of an earlier one when the context is left without an error; else
    nothing is left of it. Of a folder, what is whole stays for another run.

    Raises ArchiveError: if it cannot be written, or the folder has something else in it.
    """
    if path.suffix in _COMPRESSED:
        raise ArchiveError(f"{path}: say FILE.tar, and compress it afterwards")
    threads = Threads(_WIDTH, "archive")
    try:
        async with _tar(path, threads) if path.suffix == TAR else _folder(path, threads) as target:
            yield target
    except OSError as error:
        raise ArchiveError(f"{error.filename or path}: {error.strerror or error}") from error
    finally:
        threads.close()


@asynccontextmanager
async def _folder(path: Path, threads: Threads) -> AsyncGenerator[Target, None]:
    target = _Folder(path, threads)
    await target.prepare()
    yield target


@asynccontextmanager
async def _tar(path: Path, threads: Threads) -> AsyncGenerator[Target, None]:
    unfinished = path.with_name(path.name + _UNFINISHED)
    file = _create(unfinished)
    try:
        with file:
            yield _Tar(path, threads, file)
        await threads.run(_rename, unfinished, path)
    except BaseException:
        _remove(unfinished)
        raise


def _is_foreign(path: Path) -> bool:
    return not path.name.endswith(_UNFINISHED)


def _size(path: Path) -> int:
    """Bytes of a file; -1: there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return -1


def _create(path: Path) -> BinaryIO:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("wb", buffering=0)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


def _write(file: BinaryIO, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[file.write(left) :]


def _sync(file: BinaryIO) -> None:
    os.fsync(file.fileno())


def _rename(source: Path, target: Path) -> None:
    """Atomic and durable."""
    target.parent.mkdir(parents=True, exist_ok=True)
    source.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
