"""The folder of copies: their names, their budget, and what is removed first. All calls block.

`v1/copies/<algorithm>/<2 hex>/<hex>.<size>` is a whole copy; its time of change is its last
use. `v1/filling/<algorithm>-<hex>.<size>` is one on its way, locked by the process that fills
it. `v1/used` says how many bytes both kinds have together; who changes it has it locked.
"""

from __future__ import annotations

import errno
import fcntl
import heapq
import os
import stat
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from entrepot.core.names import Digest

_TOUCH = 60.0  # seconds between two notes of a copy's use
_PATIENCE = 2.0  # seconds to wait for other processes' changes of the budget
_PAUSE = 0.005
_AT_ONCE = 10_000  # copies that one look at the folder can find to be the longest unused
_ROOM = 0.05  # of the budget, made free beyond what is needed, so that few looks do


@dataclass(slots=True)
class NewCopy:
    """A copy on its way; `Folder.publish` or `Folder.discard` ends it."""

    path: str
    digest: Digest
    size: int  # bytes; so many are set aside for it
    descriptor: int


@dataclass(frozen=True, slots=True)
class Copy:
    """A whole copy, open."""

    descriptor: int
    size: int  # bytes

    def close(self) -> None:
        os.close(self.descriptor)


class Folder:
    """Copies in a folder that processes share, `budget` bytes of them at most."""

    def __init__(self, root: str, budget: int) -> None:
        self.root = root = os.path.abspath(root)
        self.budget = budget
        self.evicted = 0  # copies removed by this process to make room
        self._copies = os.path.join(root, "v1", "copies")
        self._filling = os.path.join(root, "v1", "filling")
        self._used = os.path.join(root, "v1", "used")

    def prepare(self) -> None:
        """Make the folder, remove what a crash left, and count what is there.

        Raises OSError: if the folder cannot be made, or made private.
        """
        os.makedirs(self.root, mode=0o700, exist_ok=True)
        private = os.path.join(self.root, "v1")
        for path in (private, self._copies, self._filling):
            with suppress(FileExistsError):
                os.mkdir(path, 0o700)
        os.chmod(private, 0o700)
        with suppress(OSError), self._locked() as lock:
            self._recount(lock)
            self._make_room(lock, 0)

    # -- reading ------------------------------------------------------------------------

    def open(self, digest: Digest, size: int | None) -> Copy | None:
        """The copy, noted as used now; None if there is none of its `size`, None if unknown."""
        path = self._path(digest, size) if size is not None else self.find(digest)
        if path is None:
            return None
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            return None
        try:
            status = os.fstat(descriptor)
            whole = stat.S_ISREG(status.st_mode) and status.st_size == _size_of(path)
            if not whole:
                os.unlink(path)  # the next count finds that it is gone
            elif time.time() - status.st_mtime > _TOUCH:
                os.utime(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        if whole:
            return Copy(descriptor, status.st_size)
        os.close(descriptor)
        return None

    def find(self, digest: Digest) -> str | None:
        """The path of a copy, as its name promises it."""
        folder = self._folder(digest)
        beginning = f"{digest.hex}."
        with suppress(FileNotFoundError):
            for name in os.listdir(folder):
                if name.startswith(beginning):
                    return os.path.join(folder, name)
        return None

    # -- filling ------------------------------------------------------------------------

    def begin(self, digest: Digest, size: int) -> NewCopy | None:
        """A file to be filled, with room for it; None: another process does, or there is no room.

        Raises OSError: if the disk does not let it.
        """
        with self._locked() as lock:
            new = self._claim(digest, size)
            if new is None:
                return None
            try:
                os.ftruncate(new.descriptor, 0)
                if self._make_room(lock, size, new.path):
                    _write_number(lock, _read_number(lock) + size)
                    return new
            except BaseException:
                self._unclaim(new)
                raise
            self._unclaim(new)
            return None

    def _claim(self, digest: Digest, size: int) -> NewCopy | None:
        path = os.path.join(self._filling, f"{digest.algorithm}-{digest.hex}.{size}")
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(path, flags, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BaseException as error:
            os.close(descriptor)
            if isinstance(error, BlockingIOError):
                return None
            raise
        return NewCopy(path, digest, size, descriptor)

    def _unclaim(self, new: NewCopy) -> None:
        with suppress(OSError):
            os.unlink(new.path)
        os.close(new.descriptor)

    def publish(self, new: NewCopy) -> None:
        """Make a filled and verified file the copy; it stays open for who reads it."""
        os.fsync(new.descriptor)
        target = self._path(new.digest, new.size)
        for folder in (os.path.join(self._copies, new.digest.algorithm), os.path.dirname(target)):
            with suppress(FileExistsError):
                os.mkdir(folder, 0o700)
        with self._locked() as lock:
            replaced = os.path.exists(target)
            os.rename(new.path, target)
            if replaced:
                _write_number(lock, max(0, _read_number(lock) - new.size))

    def discard(self, new: NewCopy) -> None:
        """Remove a file that was not published, and give its room back."""
        try:
            self._drop(new.path, new.size)
        finally:
            os.close(new.descriptor)  # not before: its name may then be another process's

    def remove(self, digest: Digest) -> None:
        """Remove a copy, if there is one."""
        path = self.find(digest)
        if path is not None:
            self._drop(path, _size_of(path))

    # -- the budget ---------------------------------------------------------------------

    def used(self) -> int:
        """Bytes of all copies, and set aside for those on their way."""
        with self._locked() as lock:
            return _read_number(lock)

    @contextmanager
    def _locked(self) -> Generator[int, None, None]:
        """The file that holds the count, locked against other processes and threads."""
        descriptor = os.open(self._used, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            last = time.monotonic() + _PATIENCE
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > last:
                        raise
                    time.sleep(_PAUSE)
            yield descriptor
        finally:
            os.close(descriptor)

    def _drop(self, path: str, size: int) -> None:
        """Remove a file and count it off, in one step: a count in between would be too low."""
        with suppress(FileNotFoundError), self._locked() as lock:
            os.unlink(path)
            _write_number(lock, max(0, _read_number(lock) - size))

    def _make_room(self, lock: int, size: int, path: str = "") -> bool:
        """Remove the longest unused copies until `size` bytes fit; False if they cannot.

        What is at `path` is not counted: it is what the room is for.
        """
        used = _read_number(lock)
        if used + size <= self.budget or size > self.budget:
            return size <= self.budget
        used = self._recount(lock, path)
        goal = max(0, self.budget - size - int(self.budget * _ROOM))
        while used > goal:
            oldest = heapq.nsmallest(_AT_ONCE, self._all_copies())
            if not oldest:
                break
            for _, unused in oldest:
                if used <= goal:
                    break
                with suppress(FileNotFoundError):
                    os.unlink(unused)
                self.evicted += 1
                used -= _size_of(unused)
        _write_number(lock, used)
        return used + size <= self.budget

    def _recount(self, lock: int, besides: str = "") -> int:
        """Count what is there anew; files that nobody fills any more are removed."""
        used = sum(_size_of(path) for _, path in self._all_copies())
        for path in _listed(self._filling):
            if path != besides and _is_alive(path):
                used += _size_of(path)
        _write_number(lock, used)
        return used

    def _all_copies(self) -> Iterator[tuple[float, str]]:
        """The last use and the path of every copy."""
        with os.scandir(self._copies) as algorithms:
            folders = [path for one in algorithms for path in _listed(one.path)]
        for folder in folders:
            with os.scandir(folder) as entries:
                for entry in entries:
                    with suppress(FileNotFoundError):
                        yield entry.stat(follow_symlinks=False).st_mtime, entry.path

    def _folder(self, digest: Digest) -> str:
        return os.path.join(self._copies, digest.algorithm, digest.hex[:2])

    def _path(self, digest: Digest, size: int) -> str:
        return os.path.join(self._folder(digest), f"{digest.hex}.{size}")


def _size_of(path: str) -> int:
    """The size that a name promises; 0 for a stranger's."""
    digits = path.rpartition(".")[2]
    return int(digits) if digits.isascii() and digits.isdigit() else 0


def _is_at(descriptor: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path, follow_symlinks=False))
    except FileNotFoundError:
        return False


def _listed(folder: str) -> list[str]:
    return [os.path.join(folder, name) for name in os.listdir(folder)]


def _is_alive(path: str) -> bool:
    """Whether a process fills a file; otherwise it is removed."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_at(descriptor, path):
            os.unlink(path)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _read_number(descriptor: int) -> int:
    digits = os.pread(descriptor, 32, 0).strip()
    return int(digits) if digits.isdigit() else 0


def _write_number(descriptor: int, number: int) -> None:
    """Always as long, so that it needs no other place and cannot be torn."""
    if os.pwrite(descriptor, b"%031d\n" % number, 0) != 32:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
