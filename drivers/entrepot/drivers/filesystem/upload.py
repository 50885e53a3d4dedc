"""Uploads as one growing file, which is where Distribution keeps them, too."""

from __future__ import annotations

import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from entrepot.core import Entry, OffsetError, StorageError, Upload
from entrepot.core.threads import Wanted
from entrepot.drivers.filesystem.errors import translating
from entrepot.drivers.filesystem.files import Files, check_wanted
from entrepot.drivers.filesystem.pumping import Batches, Pump
from entrepot.drivers.filesystem.threads import PacedThreads


@dataclass(frozen=True, slots=True)
class _Held:
    """The upload's file, open and locked."""

    descriptor: int
    changed: list[str]  # folders with names that are not durable yet


class FilesystemUpload(Upload):
    """Appends to `<token>/data`. A lock on the open file keeps other processes away.

    Who has the lock looks whether the file still has its name: otherwise it was committed or
    removed meanwhile, and appending to it would change a blob.
    """

    def __init__(self, files: Files, threads: PacedThreads, token: str) -> None:
        self._files = files
        self._threads = threads
        self._token = token
        self._path = files.path(f"{token}/data")

    async def size(self) -> int:
        with translating(self._token, self._path):
            return await self._threads.quick(None, self._size)

    async def append(self, chunks: AsyncIterator[bytes], offset: int) -> int:
        with translating(self._token, self._path, writing=True):
            held = await self._threads.obtain(self._release, self._lock, offset)
        pump = Pump(self._threads, held.descriptor, self._token, self._path)
        try:
            written = await pump.write(Batches(chunks), keep=True)
        except BaseException:
            with suppress(OSError, StorageError):  # what stopped the stream is what is told
                await self._threads.run(self._release, held)
            raise
        with translating(self._token, self._path, writing=True):
            await self._threads.run(self._release, held)
        return offset + written

    async def commit(self, key: str, size: int) -> Entry:
        target = self._files.path(key)
        with translating(key, target, writing=True):
            status = await self._threads.run_wanted(partial(self._commit, target, size))
        return Entry(key, status.st_size, status.st_mtime)

    async def abort(self) -> None:
        """Forget the upload. An append that is under way notices at its end."""
        with translating(self._token, self._path, writing=True):
            await self._threads.run(self._files.remove, self._path)

    def _size(self) -> int:
        try:
            return os.stat(self._path).st_size
        except (FileNotFoundError, NotADirectoryError):
            return 0

    def _lock(self, offset: int) -> _Held:
        """The file, open at its end, which is `offset`; a new one if that is 0."""
        changed: list[str] = []
        descriptor = self._open(offset) if offset else self._create(changed)
        try:
            self._claim(descriptor, offset)
        except BaseException:
            os.close(descriptor)
            raise
        return _Held(descriptor, changed)

    def _create(self, changed: list[str]) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        descriptor = self._files.in_folder(
            self._path, changed, lambda: os.open(self._path, flags, 0o666)
        )
        changed.append(os.path.dirname(self._path))
        return descriptor

    def _open(self, size: int) -> int:
        try:
            return os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            raise OffsetError(self._token, f"upload holds nothing, not {size} bytes") from None

    def _claim(self, descriptor: int, size: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OffsetError(self._token, "another append is under way") from None
        self._check_named(descriptor)
        held = os.fstat(descriptor).st_size
        if held != size:
            raise OffsetError(self._token, f"upload holds {held} bytes, not {size}")
        os.lseek(descriptor, size, os.SEEK_SET)

    def _check_named(self, descriptor: int) -> None:
        try:
            named = os.stat(self._path)
        except (FileNotFoundError, NotADirectoryError):
            named = None
        if named is None or not os.path.samestat(os.fstat(descriptor), named):
            raise OffsetError(self._token, "the upload was finished or removed meanwhile")

    def _release(self, held: _Held) -> None:
        """Make what came durable; an upload without a byte leaves no file."""
        try:
            self._check_named(held.descriptor)
            if os.fstat(held.descriptor).st_size == 0:
                self._files.remove(self._path)
            elif self._files.fsync:
                os.fsync(held.descriptor)
                self._files.sync(*held.changed)
        finally:
            os.close(held.descriptor)

    def _commit(self, target: str, size: int, wanted: Wanted) -> os.stat_result:
        if size == 0 and not os.path.lexists(self._path):
            return self._files.write(target, [], wanted, create=False)
        descriptor = self._open(size)
        try:
            self._claim(descriptor, size)
            os.utime(descriptor)  # the object is new now, however long its bytes have waited
            if self._files.fsync:
                os.fsync(descriptor)  # a process that was killed may have left more than it synced
            status = os.fstat(descriptor)
            check_wanted(wanted)
            self._rename(target)
        finally:
            os.close(descriptor)
        return status

    def _rename(self, target: str) -> None:
        try:
            self._files.rename(self._path, target)
        except FileNotFoundError:
            raise OffsetError(self._token, "the upload was removed meanwhile") from None
