"""The driver: keys are paths below a root folder."""

from __future__ import annotations

import asyncio
import errno
import os
import stat
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from functools import partial
from itertools import islice

from entrepot.core import DeleteError, Driver, Entry, NotFoundError, Prefix, StorageError, Upload
from entrepot.drivers.filesystem.errors import translated, translating
from entrepot.drivers.filesystem.files import Files
from entrepot.drivers.filesystem.pumping import pump
from entrepot.drivers.filesystem.threads import PacedThreads, finished
from entrepot.drivers.filesystem.upload import FilesystemUpload
from entrepot.drivers.filesystem.walk import Walk

_CHUNK = 1024 * 1024
_SMALL = 64 * 1024  # bytes that are read on the spot
_FIRST_PAGE, _PAGE = 16, 1000  # who only asks whether there is anything gets a short answer


class FilesystemDriver(Driver):
    """Objects as files below `root`, which exists."""

    def __init__(self, root: str, threads: PacedThreads, *, fsync: bool) -> None:
        self._files = Files(root, fsync=fsync)
        self._threads = threads

    async def stat(self, key: str) -> Entry:
        path = self._path(key)
        with translating(key, path):
            status = await self._threads.quick(os.stat, path)
        if not stat.S_ISREG(status.st_mode):
            raise NotFoundError(key)
        return Entry(key, status.st_size, status.st_mtime)

    async def read(
        self, key: str, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        path = self._path(key)
        with translating(key, path):
            opened = await self._threads.quick(_open, path, start, stop, release=_close)
        descriptor, content, end = opened
        if descriptor is None:
            if content:
                yield content
            return
        reading: asyncio.Future[bytes] | None = None
        try:
            reading = self._threads.start(os.pread, descriptor, min(_CHUNK, end - start), start)
            while start < end:
                with translating(key, path):
                    content = await finished(reading)
                if not content:
                    return
                start += len(content)
                size = min(_CHUNK, end - start)
                reading = self._threads.start(os.pread, descriptor, size, start)
                yield content
        finally:
            if reading is not None and not reading.done():
                await finished(reading)
            os.close(descriptor)

    async def write(self, key: str, chunks: AsyncIterator[bytes], *, create: bool = False) -> Entry:
        path = self._path(key)
        first, second = await _some(chunks), await _some(chunks)
        if second:
            status = await self._write_stream(key, _chain(first, second, chunks), create)
        else:
            with translating(key, path):
                status = await self._threads.run(self._write_whole, path, first, create)
        return Entry(key, status.st_size, status.st_mtime)

    async def delete(self, keys: Sequence[str]) -> None:
        failures = await self._threads.run(self._delete, keys)
        if failures:
            raise DeleteError(failures)

    async def scan(
        self, prefix: str, *, after: str = "", delimiter: str = ""
    ) -> AsyncGenerator[Entry | Prefix, None]:
        items = Walk(self._files.root, after, delimiter).items(prefix)
        size = _FIRST_PAGE
        while True:
            with translating(prefix, self._files.root):
                page = await self._threads.run(list, islice(items, size))
            for item in page:
                yield item
            if len(page) < size:
                return
            size = _PAGE

    async def copy(self, source: str, target: str) -> Entry:
        path = self._path(source)
        with translating(source, path):
            status = await self._threads.run(self._files.copy, path, self._path(target))
        return Entry(target, status.st_size, status.st_mtime)

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
        return os.path.join(self._files.root, key)

    def _write_whole(self, path: str, content: bytes, create: bool) -> os.stat_result:
        return self._files.write(path, content, create=create)

    async def _write_stream(
        self, key: str, chunks: AsyncIterator[bytes], create: bool
    ) -> os.stat_result:
        path = self._path(key)
        with translating(key, path):
            begun = await self._threads.obtain(partial(self._files.begin, path), self._discard)
        descriptor, temporary = begun
        try:
            await pump(chunks, descriptor, self._threads)
        except BaseException as error:
            await self._threads.run(self._files.discard, descriptor, temporary)
            if isinstance(error, OSError):
                raise translated(error, key, path) from error
            raise
        with translating(key, path):
            return await self._threads.run(self._publish, descriptor, temporary, path, create)

    def _discard(self, begun: tuple[int, str]) -> None:
        self._files.discard(*begun)

    def _publish(self, descriptor: int, temporary: str, path: str, create: bool) -> os.stat_result:
        return self._files.publish(descriptor, temporary, path, create=create)

    def _delete(self, keys: Sequence[str]) -> dict[str, StorageError]:
        failures: dict[str, StorageError] = {}
        for key in keys:
            path = self._path(key)
            try:
                self._files.remove(path)
            except OSError as error:
                failures[key] = translated(error, key, path)
        return failures


def _open(path: str, start: int, stop: int | None) -> tuple[int | None, bytes, int]:
    """A file open for reading and where reading ends; of little, the content at once."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        end = status.st_size if stop is None else min(stop, status.st_size)
        if end - start > _SMALL:
            return descriptor, b"", end
        content = os.pread(descriptor, end - start, start) if end > start else b""
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None, content, end


def _close(opened: tuple[int | None, bytes, int]) -> None:
    if opened[0] is not None:
        os.close(opened[0])


async def _some(chunks: AsyncIterator[bytes]) -> bytes:
    """The next chunk that is not empty; nothing at the end."""
    while (chunk := await anext(chunks, None)) is not None:
        if chunk:
            return chunk
    return b""


async def _chain(
    first: bytes, second: bytes, rest: AsyncIterator[bytes]
) -> AsyncGenerator[bytes, None]:
    yield first
    yield second
    async for chunk in rest:
        yield chunk
