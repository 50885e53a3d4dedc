"""The driver: keys are paths below a root folder."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice

from entrepot.core import (
    DeleteError,
    Driver,
    Entry,
    KeyInvalidError,
    NotFoundError,
    Prefix,
    StorageError,
    UnavailableError,
    Upload,
)
from entrepot.core.threads import Call, Wanted
from entrepot.drivers.filesystem.errors import translated, translating
from entrepot.drivers.filesystem.files import (
    Files,
    check_root,
    copy_some,
    in_memory,
    is_temporary,
    open_to_read,
    read_some,
)
from entrepot.drivers.filesystem.pumping import BATCH, Batches, Pump
from entrepot.drivers.filesystem.threads import PacedThreads
from entrepot.drivers.filesystem.upload import FilesystemUpload
from entrepot.drivers.filesystem.walk import Walk

_CHUNK = 1024 * 1024
_SMALL = 64 * 1024  # bytes that are read on the spot
_FIRST_PAGE, _PAGE = 16, 1000  # who only asks whether there is anything gets a short answer
_DELETED = 500  # keys deleted by one call, so that a long list can be cancelled


@dataclass(frozen=True, slots=True)
class _Opened:
    """A file to read from. Of little, all is in `content`, and the file is closed."""

    descriptor: int | None
    content: bytes
    end: int  # where reading ends

    def close(self) -> None:
        if self.descriptor is not None:
            os.close(self.descriptor)


class FilesystemDriver(Driver):
    """Objects as files below the root of `files`, which exists."""

    def __init__(self, files: Files, threads: PacedThreads) -> None:
        self._files = files
        self._threads = threads

    async def stat(self, key: str) -> Entry:
        path = self._path(key)
        with translating(key, path):
            status = await self._threads.quick(None, self._files.status, path)
        if not stat.S_ISREG(status.st_mode):
            raise NotFoundError(key)
        return Entry(key, status.st_size, status.st_mtime)

    async def read(
        self, key: str, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        path = self._path(key)
        opened = await self._open(key, path, start, stop)
        if opened.descriptor is None:
            if opened.content:
                yield opened.content
            return
        reading: Call[bytes] | None = None
        try:
            while start < opened.end:
                size = min(_CHUNK, opened.end - start)
                with translating(key, path):
                    content = await self._chunk(opened.descriptor, start, size, reading)
                if not content:
                    raise UnavailableError(key, f"{path}: the file was cut while it was read")
                start += len(content)
                reading = self._read_ahead(opened, start)
                yield content
        finally:
            await self._end_read(opened.descriptor, reading)

    async def write(self, key: str, chunks: AsyncIterator[bytes], *, create: bool = False) -> Entry:
        batches = Batches(chunks)
        first = await batches.take()
        if sum(map(len, first)) < BATCH:  # then it is all
            path = self._path(key)
            act = partial(self._files.write, path, first, create=create)
            return await self._publish(key, act)

        async def fill(descriptor: int) -> None:
            pump = Pump(self._threads, descriptor, key, self._path(key))
            await pump.write(batches, first)

        return await self._store(key, fill, create=create)

    async def delete(self, keys: Sequence[str]) -> None:
        failures: dict[str, StorageError] = {}
        for at in range(0, len(keys), _DELETED):
            failures |= await self._threads.run(self._delete, keys[at : at + _DELETED])
        if failures:
            raise DeleteError(failures)

    async def scan(
        self, prefix: str, *, after: str = "", delimiter: str = ""
    ) -> AsyncGenerator[Entry | Prefix, None]:
        items = Walk(self._files.root, after, delimiter).items(prefix)
        size = _FIRST_PAGE
        while True:
            with translating(prefix, self._files.path(prefix)):
                page = await self._threads.run(list, islice(items, size))
            for item in page:
                if item is not None:
                    yield item
            if len(page) < size:
                return
            size = _PAGE

    async def sift(
        self, prefix: str, wanted: Callable[[str], bool | str]
    ) -> AsyncGenerator[Entry, None]:
        items = Walk(self._files.root, wanted=wanted).items(prefix)
        is_end = False
        while not is_end:
            with translating(prefix, self._files.path(prefix)):
                page, is_end = await self._threads.take(items, _PAGE)
            for item in page:
                if isinstance(item, Entry):
                    yield item

    async def copy(self, source: str, target: str) -> Entry:
        path = self._path(source)
        with translating(source, path):
            reading, status = await self._threads.obtain(_close_read, open_to_read, path)

        async def fill(descriptor: int) -> None:
            size = 0
            with translating(target, self._path(target), writing=True):
                while copied := await self._threads.run(copy_some, reading, descriptor):
                    size += copied
            if size != status.st_size:
                raise UnavailableError(source, f"{path}: gave {size} of {status.st_size} bytes")

        try:
            return await self._store(target, fill, create=False)
        finally:
            os.close(reading)

    async def move(self, source: str, target: str) -> Entry:
        path = self._path(source)
        with translating(source, path):
            status = await self._threads.run(self._files.move, path, self._path(target))
        return Entry(target, status.st_size, status.st_mtime)

    def local_path(self, key: str) -> str | None:
        return self._path(key)

    def upload(self, token: str) -> Upload:
        return FilesystemUpload(self._files, self._threads, token)

    def _path(self, key: str) -> str:
        if key.endswith(".tmp") and is_temporary(key):
            raise KeyInvalidError(key, "names that end like this are of files being written")
        return self._files.path(key)

    async def _open(self, key: str, path: str, start: int, stop: int | None) -> _Opened:
        try:
            return await self._threads.quick(_Opened.close, self._open_file, path, start, stop)
        except OSError as error:
            if error.errno != errno.ESTALE:
                raise translated(error, key, path) from error
        with translating(key, path):  # on NFS: replaced since its name was looked up
            return await self._threads.quick(_Opened.close, self._open_file, path, start, stop)

    def _open_file(self, path: str, start: int, stop: int | None) -> _Opened:
        try:
            return _open(path, start, stop)
        except FileNotFoundError:
            check_root(self._files.root)
            raise

    async def _end_read(self, descriptor: int, reading: Call[bytes] | None) -> None:
        try:
            if reading is not None:
                with suppress(OSError):  # of a chunk that nobody takes
                    await reading
        finally:
            if os.fstat(descriptor).st_nlink:
                os.close(descriptor)
            else:  # the last one to close a deleted file waits until its blocks are freed
                await self._threads.run(os.close, descriptor)

    async def _chunk(
        self, descriptor: int, start: int, size: int, reading: Call[bytes] | None
    ) -> bytes:
        """Read on the spot what the system has in memory.

        Bytes that one thread reads and another one sends travel between two processors'
        caches; a copy out of memory takes less time than that.
        """
        if reading is not None:
            return await reading
        if in_memory(descriptor, start, size):
            return os.pread(descriptor, size, start)
        return await self._threads.run(os.pread, descriptor, size, start)

    def _read_ahead(self, opened: _Opened, start: int) -> Call[bytes] | None:
        """The next chunk on its way from the disk; None at the end, or if it is in memory."""
        size = min(_CHUNK, opened.end - start)
        if opened.descriptor is None or size <= 0:
            return None
        if in_memory(opened.descriptor, start, size):
            return None
        return self._threads.start(os.pread, opened.descriptor, size, start)

    async def _store(
        self, key: str, fill: Callable[[int], Awaitable[None]], *, create: bool
    ) -> Entry:
        """A new object out of a file that `fill` writes to by its descriptor."""
        path = self._path(key)
        with translating(key, path, writing=True):
            new = await self._threads.obtain(self._files.discard, self._files.begin, path)
        try:
            await fill(new.descriptor)
        except BaseException:
            await self._threads.run(self._files.discard, new)
            raise
        return await self._publish(key, partial(self._files.publish, new, create=create))

    async def _publish(self, key: str, act: Callable[[Wanted], os.stat_result]) -> Entry:
        """A cancellation that comes before the file has its name leaves the key as it was."""
        with translating(key, self._path(key), writing=True):
            status = await self._threads.run_wanted(act)
        return Entry(key, status.st_size, status.st_mtime)

    def _delete(self, keys: Sequence[str]) -> dict[str, StorageError]:
        paths = {self._files.path(key): key for key in keys}
        failed = self._files.remove_all(paths)
        return {paths[path]: translated(error, paths[path], path) for path, error in failed.items()}


def _open(path: str, start: int, stop: int | None) -> _Opened:
    if stop is not None and stop - start <= _SMALL:
        content = read_some(path, start, stop - start)
        return _Opened(None, content, start + len(content))
    descriptor, status = open_to_read(path)
    try:
        end = status.st_size if stop is None else min(stop, status.st_size)
        if end - start > _SMALL:
            return _Opened(descriptor, b"", end)
        content = os.pread(descriptor, end - start, start) if end > start else b""
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return _Opened(None, content, end)


def _close_read(opened: tuple[int, os.stat_result]) -> None:
    os.close(opened[0])
