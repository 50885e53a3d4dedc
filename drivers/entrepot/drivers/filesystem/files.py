"""Files written so that a crash leaves the old one or the new one. All calls block."""

from __future__ import annotations

import errno
import os
import re
import stat
import uuid
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from entrepot.core.threads import Wanted
from entrepot.drivers.filesystem.errors import is_folder

ResultT = TypeVar("ResultT")

_TRIES = 32  # others may remove an empty folder between its making and its first file
_MOST_PARTS = 512  # of one writev; Linux takes 1024
_COPIED = 64 * 1024 * 1024  # bytes copied by one call, so that a copy can be cancelled
_BUFFER = 1024 * 1024
_NOWAIT = getattr(os, "RWF_NOWAIT", 0)  # Linux; without it every read goes through a thread
_TEMPORARY = re.compile(r".*\.[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.tmp", re.DOTALL)
_CANNOT_COPY = {errno.ENOSYS, errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM}


@dataclass(slots=True)
class NewFile:
    """A file on its way; `Files.publish` or `Files.discard` ends it."""

    path: str  # what it will be
    temporary: str  # its name until then
    descriptor: int
    changed: list[str]  # folders in which folders were made for it


def is_temporary(name: str) -> bool:
    """Whether a name is of a file on its way, or left by a crash; Distribution's are alike."""
    return name.endswith(".tmp") and _TEMPORARY.fullmatch(name) is not None


class Files:
    """File operations below a root folder, durable on return if `fsync`."""

    def __init__(self, root: str, *, fsync: bool) -> None:
        self.root = root
        self.fsync = fsync
        self._inside = os.path.join(root, "")  # how every path below it begins

    def path(self, key: str) -> str:
        return self._inside + key

    def status(self, path: str) -> os.stat_result:
        try:
            return os.stat(path)
        except FileNotFoundError:
            check_root(self.root)
            raise

    def begin(self, path: str) -> NewFile:
        temporary = f"{path}.{uuid.uuid4()}.tmp"
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
        changed: list[str] = []
        descriptor = self.in_folder(path, changed, lambda: os.open(temporary, flags, 0o666))
        return NewFile(path, temporary, descriptor, changed)

    def publish(self, new: NewFile, wanted: Wanted, *, create: bool) -> os.stat_result:
        """Give a finished file its name.

        Raises FileExistsError: with `create`, if the name is taken. When this raises and the
        file has not got its name, it is gone.
        """
        try:
            if self.fsync:
                os.fsync(new.descriptor)
            status = os.fstat(new.descriptor)
            self._close(new)
            check_wanted(wanted)
            if create:
                os.link(new.temporary, new.path)
                os.unlink(new.temporary)
            else:
                os.replace(new.temporary, new.path)
        except BaseException:
            self.discard(new)
            raise
        self.sync(os.path.dirname(new.path), *new.changed)
        return status

    def discard(self, new: NewFile) -> None:
        with suppress(OSError):
            self._close(new)
        with suppress(OSError):
            os.unlink(new.temporary)
        self.prune(os.path.dirname(new.path))

    def write(
        self, path: str, content: Sequence[bytes], wanted: Wanted, *, create: bool
    ) -> os.stat_result:
        """A whole file in one call; see `publish`."""
        new = self.begin(path)
        try:
            write_all(new.descriptor, content)
        except BaseException:
            self.discard(new)
            raise
        return self.publish(new, wanted, create=create)

    def rename(self, source: str, target: str) -> None:
        """Move a file whose content is durable, replacing what is there.

        Raises FileNotFoundError: if `source` does not exist.
        """
        changed: list[str] = []
        try:
            self.in_folder(target, changed, lambda: os.replace(source, target), source)
        except BaseException:
            self.prune(os.path.dirname(target))
            raise
        left = os.path.dirname(source)
        self.sync(os.path.dirname(target), *changed, left)
        self.prune(left)

    def move(self, source: str, target: str) -> os.stat_result:
        """`rename` with the file's time set to now, as it is for an object just written."""
        if not stat.S_ISREG(os.stat(source).st_mode):
            raise is_folder(source)
        os.utime(source)
        status = os.stat(source)
        self.rename(source, target)
        return status

    def remove(self, path: str) -> None:
        """Idempotent; folders that become empty go, too."""
        if _unlink(path):
            self.prune(os.path.dirname(path))

    def remove_all(self, paths: Iterable[str]) -> dict[str, OSError]:
        """Remove many files like `remove`; says of which it failed, and how.

        Most are alone in a folder that shares its own with others of them. So folders above
        are looked at once, at the end, and not for each file.
        """
        failures: dict[str, OSError] = {}
        above: dict[str, None] = {}
        for path in paths:
            try:
                if not _unlink(path):
                    continue
            except OSError as error:
                failures[path] = error
                continue
            folder = os.path.dirname(path)
            if folder.startswith(self._inside) and _is_removed(folder):
                above[os.path.dirname(folder)] = None
        for folder in above:
            self.prune(folder)
        return failures

    def prune(self, folder: str) -> None:
        """Remove a folder and those above it while they are empty; never the root."""
        while folder.startswith(self._inside) and _is_removed(folder):
            folder = os.path.dirname(folder)

    def in_folder(
        self,
        path: str,
        changed: list[str],
        act: Callable[[], ResultT],
        needed: str | None = None,
    ) -> ResultT:
        """Do what needs the folder of `path`, which is made if it is missing.

        Adds to `changed` the folders in which folders were made.

        Raises FileNotFoundError: if `needed`, another file, is what is missing.
        """
        for _ in range(_TRIES):
            try:
                return act()
            except FileNotFoundError:
                if needed is not None:
                    os.stat(needed)
            self._make_folder(os.path.dirname(path), changed)
        raise OSError(errno.EAGAIN, "its folder was removed again and again")

    def sync(self, *folders: str) -> None:
        """Make the names in folders durable; done last, when one commit serves them all."""
        if not self.fsync:
            return
        for folder in dict.fromkeys(folders):
            try:
                descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            except FileNotFoundError:
                continue  # removed since, with the names in it
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def _make_folder(self, folder: str, changed: list[str]) -> None:
        if not folder.startswith(self._inside):
            # it was there at the start, so what is missing is a mount: fill no other disk
            raise OSError(errno.ENXIO, "the root folder is gone")
        parent = os.path.dirname(folder)
        for _ in range(_TRIES):
            try:
                os.mkdir(folder)
            except FileExistsError:
                return
            except FileNotFoundError:
                self._make_folder(parent, changed)
            else:
                changed.append(parent)
                return

    def _close(self, new: NewFile) -> None:
        descriptor, new.descriptor = new.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def _unlink(path: str) -> bool:
    """Whether nothing is there any more; False: it is a folder."""
    try:
        os.unlink(path)
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (IsADirectoryError, PermissionError):  # which of them depends on the system
        if not os.path.isdir(path):
            raise
        return False
    return True


def _is_removed(folder: str) -> bool:
    """Remove a folder if it is empty."""
    try:
        os.rmdir(folder)
    except OSError:
        return False
    return True


def check_root(root: str) -> None:
    """Raises OSError: if the root folder is gone, so that a missing file says nothing."""
    if not os.path.isdir(root):
        raise OSError(errno.EIO, "the root folder is gone")


def check_wanted(wanted: Wanted) -> None:
    """The last moment at which a cancellation undoes all: before a file gets its name."""
    if not wanted():
        raise OSError(errno.ECANCELED, os.strerror(errno.ECANCELED))


def open_to_read(path: str) -> tuple[int, os.stat_result]:
    """Raises IsADirectoryError: if it is a folder, or no file at all."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise is_folder(path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor, status


def read_some(path: str, start: int, size: int) -> bytes:
    """A small part of a file, in as few calls of the system as there can be."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        return os.pread(descriptor, size, start)
    finally:
        os.close(descriptor)


def write_all(descriptor: int, content: Sequence[bytes]) -> None:
    """Write to where the file's position is."""
    for at in range(0, len(content), _MOST_PARTS):
        parts = content[at : at + _MOST_PARTS]
        size = sum(map(len, parts))
        written = os.writev(descriptor, parts)
        if written < size:  # a signal, or the disk is nearly full: the next call tells
            rest = memoryview(b"".join(parts))
            while written < size:
                written += os.write(descriptor, rest[written:])


def in_memory(descriptor: int, start: int, size: int) -> bool:
    """Whether a part of a file can likely be read without waiting for the disk.

    Its first and last byte tell: the system keeps and reads ahead more than is between them.
    """
    if not _NOWAIT:
        return False
    return _is_at_hand(descriptor, start) and _is_at_hand(descriptor, start + size - 1)


def _is_at_hand(descriptor: int, offset: int) -> bool:
    try:
        return os.preadv(descriptor, [bytearray(1)], offset, _NOWAIT) == 1
    except OSError:  # it is on the disk, or this file system cannot tell
        return False


def copy_some(source: int, target: int) -> int:
    """Copy from and to where the files' positions are; gives the bytes copied, 0 at the end."""
    if hasattr(os, "copy_file_range"):
        try:
            return os.copy_file_range(source, target, _COPIED)
        except OSError as error:
            if error.errno not in _CANNOT_COPY:
                raise
    content = os.read(source, _BUFFER)
    write_all(target, [content] if content else [])
    return len(content)
