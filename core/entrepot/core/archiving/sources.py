"""Layouts that are read: a folder, a tar, or an index alone."""

from __future__ import annotations

import os
import stat
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from entrepot.core import manifest
from entrepot.core.archiving import layouts, tars
from entrepot.core.archiving.errors import ArchiveError, ContentError
from entrepot.core.manifest import Descriptor, Manifest
from entrepot.core.names import Digest
from entrepot.core.threads import Threads

_CHUNK = 1024 * 1024
_WIDTH = 4  # reads at a time
_MEMBERS = 1_000_000  # of a tar; to know the places of so many takes some 300 MB


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a file of a layout is: `size` bytes from `offset` in an open file."""

    descriptor: int
    offset: int
    size: int


class Source(ABC):
    """A layout: `entries` is what its index names, in that order."""

    is_index_alone = False

    def __init__(self, path: Path, threads: Threads) -> None:
        self.name = str(path)
        self.entries: list[Descriptor] = []
        self._threads = threads

    async def size(self, digest: Digest) -> int | None:
        """Bytes of a content; None: the layout does not have it."""
        async with self._opened(layouts.path_of(digest)) as place:
            return None if place is None else place.size

    async def read(self, digest: Digest) -> AsyncGenerator[bytes, None]:
        """The content, in chunks, not verified.

        Raises ContentError: if it is not there, or ends early.
        """
        async with self._opened(layouts.path_of(digest)) as place:
            if place is None:
                raise ContentError(f"{self.name} does not have {digest}")
            done = 0
            while done < place.size:
                size, offset = min(_CHUNK, place.size - done), place.offset + done
                chunk = await self._threads.run(os.pread, place.descriptor, size, offset)
                if not chunk:
                    raise ContentError(f"{self.name} is cut off in {digest}")
                done += len(chunk)
                yield chunk

    async def manifest(self, descriptor: Descriptor) -> Manifest | None:
        """A manifest, verified; None: the layout does not have it.

        Raises ContentError: if it has something else under its digest; ManifestInvalidError.
        """
        digest = Digest.parse(descriptor.digest)
        size = await self.size(digest)
        if size is None:
            return None
        if size > manifest.LIMIT:
            raise ContentError(f"the manifest {digest} has {size} bytes, too many for one")
        content = b"".join([chunk async for chunk in self.read(digest)])
        if not Digest.of(content, digest.algorithm).matches(digest):
            raise ContentError(f"{self.name} has something else under {digest}")
        return manifest.parse(content, descriptor.mediaType, digest)

    def load(self) -> None:
        """Read the index. Blocks. Raises ArchiveError: if this is no layout."""
        mark = self._text(layouts.MARK)
        if mark is None:
            raise ArchiveError(f"{self.name} is no image layout: it has no {layouts.MARK}")
        layouts.check_mark(mark, self.name)
        index = self._text(layouts.INDEX)
        if index is None:
            reason = f"has no {layouts.INDEX}, as if it had not been written to its end"
            raise ArchiveError(f"{self.name} {reason}")
        self.entries = layouts.entries_of(index, self.name)

    @abstractmethod
    def _open(self, path: str) -> _Place | None:
        """A file of the layout; None: there is none. Blocks."""

    @abstractmethod
    def _close(self, place: _Place | None) -> None:
        """Give back what `_open` gave."""

    @asynccontextmanager
    async def _opened(self, path: str) -> AsyncGenerator[_Place | None, None]:
        place = await self._threads.obtain(self._close, self._open, path)
        try:
            yield place
        finally:
            self._close(place)

    def _text(self, path: str) -> bytes | None:
        place = self._open(path)
        if place is None:
            return None
        try:
            if place.size > layouts.LONGEST:
                raise ArchiveError(f"{self.name}: {path} has {place.size} bytes, too many for one")
            return os.pread(place.descriptor, place.size, place.offset)
        finally:
            self._close(place)


class _Folder(Source):
    def __init__(self, path: Path, threads: Threads) -> None:
        super().__init__(path, threads)
        self._path = path

    def _open(self, path: str) -> _Place | None:
        file = self._path / path
        try:
            found = file.stat()
            if not stat.S_ISREG(found.st_mode):
                raise ContentError(f"{file} is no regular file")
            return _Place(os.open(file, os.O_RDONLY), 0, found.st_size)
        except FileNotFoundError:
            return None

    def _close(self, place: _Place | None) -> None:
        if place is not None:
            os.close(place.descriptor)


class _Tar(Source):
    """A tar whose members were looked through once; the last one of a name counts."""

    def __init__(self, path: Path, threads: Threads, descriptor: int) -> None:
        super().__init__(path, threads)
        self._descriptor = descriptor
        self._places: dict[str, tuple[int, int]] = {}

    def load(self) -> None:
        with os.fdopen(self._descriptor, "rb", buffering=0, closefd=False) as file:
            for member in tars.members(file, self.name):
                self._add(member)
        super().load()

    def _add(self, member: tars.Member) -> None:
        name = str(PurePosixPath(member.name))  # without a leading ./
        first, *rest = name.split("/")
        is_ours = len(rest) == 2 if first == layouts.BLOBS else name in layouts.FILES
        if not is_ours:  # of what else is in it, nothing is taken
            return
        if not member.is_file:
            raise ArchiveError(f"{self.name}: {name[:200]!r} is no regular file")
        self._places[name] = (member.offset, member.size)
        if len(self._places) > _MEMBERS:
            raise ArchiveError(f"{self.name} has more than {_MEMBERS:,} members")

    def _open(self, path: str) -> _Place | None:
        place = self._places.get(path)
        return None if place is None else _Place(self._descriptor, *place)

    def _close(self, place: _Place | None) -> None:
        """The tar stays open."""


class _Index(Source):
    """An `index.json` without the layout that it is of."""

    is_index_alone = True

    def __init__(self, path: Path, threads: Threads) -> None:
        super().__init__(path, threads)
        self._path = path

    def load(self) -> None:
        if self._path.stat().st_size > layouts.LONGEST:
            raise ArchiveError(f"{self.name} is too large for an index")
        self.entries = layouts.entries_of(self._path.read_bytes(), self.name)

    def _open(self, path: str) -> _Place | None:
        return None

    def _close(self, place: _Place | None) -> None:
        """Nothing was opened."""


@contextmanager
def open_source(path: Path, *, index_alone: bool = False) -> Generator[Source, None, None]:
    """The layout in a folder or a tar; with `index_alone` also what an index by itself says.

    Raises ArchiveError: if it is no layout, or cannot be read.
    """
    threads = Threads(_WIDTH, "archive")
    try:
        with _source(path, threads, index_alone=index_alone) as source:
            source.load()
            yield source
    except OSError as error:
        raise ArchiveError(f"{error.filename or path}: {error.strerror or error}") from error
    finally:
        threads.close()


@contextmanager
def _source(path: Path, threads: Threads, *, index_alone: bool) -> Generator[Source, None, None]:
    if path.is_dir():
        yield _Folder(path, threads)
    elif index_alone and path.suffix == ".json":
        yield _Index(path, threads)
    else:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            yield _Tar(path, threads, descriptor)
        finally:
            os.close(descriptor)
