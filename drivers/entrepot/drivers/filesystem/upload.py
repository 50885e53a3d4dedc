"""Uploads as one growing file, which is where Distribution keeps them, too."""

from __future__ import annotations

import fcntl
import os
from collections.abc import AsyncIterator
from functools import partial

from entrepot.core import Entry, OffsetError, Upload
from entrepot.drivers.filesystem.errors import translating
from entrepot.drivers.filesystem.files import Files
from entrepot.drivers.filesystem.pumping import pump
from entrepot.drivers.filesystem.threads import PacedThreads


class FilesystemUpload(Upload):
    """Appends to `<token>/data`. A lock on the open file keeps other processes away.

    Who has the lock looks whether the file still has its name: otherwise it was committed or
    removed meanwhile, and appending to it would change a blob.
    """

    def __init__(self, files: Files, threads: PacedThreads, token: str) -> None:
        self._files = files
        self._threads = threads
        self._token = token
        self._path = os.path.join(files.root, token, "data")

    async def size(self) -> int:
        with translating(self._token, self._path):
            return await self._threads.quick(self._size)

    async def append(self, chunks: AsyncIterator[bytes], offset: int) -> int:
        with translating(self._token, self._path):
            descriptor = await self._threads.obtain(
                partial(self._lock, offset, True), self._release
            )
        written = 0
        try:
            written = await self._pump(chunks, descriptor)
        finally:
            with translating(self._token, self._path):
                await self._threads.run(self._release, descriptor)
        return offset + written

    async def commit(self, key: str, size: int) -> Entry:
        target = os.path.join(self._files.root, key)
        with translating(key, target):
            status = await self._threads.run(self._commit, target, size)
        return Entry(key, status.st_size, status.st_mtime)

    async def abort(self) -> None:
        with translating(self._token, self._path):
            await self._threads.run(self._files.remove, self._path)

    async def _pump(self, chunks: AsyncIterator[bytes], descriptor: int) -> int:
        try:
            return await pump(chunks, descriptor, self._threads)
        except OSError as error:
            with translating(self._token, self._path):
                raise error from None

    def _size(self) -> int:
        try:
            return os.stat(self._path).st_size
        except (FileNotFoundError, NotADirectoryError):
            return 0

    def _lock(self, offset: int, create: bool) -> int:
        """The locked file, open at its end, which is `offset`."""
        descriptor = self._create() if create and offset == 0 else self._open(offset)
        try:
            self._claim(descriptor, offset)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def _create(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        return self._files.in_folder(self._path, lambda: os.open(self._path, flags, 0o666))

    def _open(self, offset: int) -> int:
        try:
            return os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            raise OffsetError(self._token, f"upload holds nothing, not {offset} bytes") from None

    def _claim(self, descriptor: int, offset: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OffsetError(self._token, "another append is under way") from None
        status = os.fstat(descriptor)
        try:
            named = os.stat(self._path)
        except FileNotFoundError:
            named = None
        if named is None or not os.path.samestat(status, named):
            raise OffsetError(self._token, "the upload was finished or removed meanwhile")
        if status.st_size != offset:
            raise OffsetError(self._token, f"upload holds {status.st_size} bytes, not {offset}")
        os.lseek(descriptor, offset, os.SEEK_SET)

    def _release(self, descriptor: int) -> None:
        """Make what came durable; an upload without a byte leaves no file."""
        try:
            if os.fstat(descriptor).st_size == 0:
                self._files.remove(self._path)
            elif self._files.fsync:
                os.fsync(descriptor)
                self._files.sync_folder(os.path.dirname(self._path))
        finally:
            os.close(descriptor)

    def _commit(self, target: str, size: int) -> os.stat_result:
        if size == 0 and self._size() == 0:
            return self._files.write(target, b"", create=False)
        descriptor = self._lock(size, False)
        try:
            return self._files.move(self._path, target)
        finally:
            os.close(descriptor)
