"""Files written so that a crash leaves the old one or the new one. All calls block."""

from __future__ import annotations

import errno
import os
import re
import stat
import uuid
from collections.abc import Callable
from typing import TypeVar

ResultT = TypeVar("ResultT")

_TRIES = 16  # somebody may remove an empty folder between its creation and its first file
_COPY = 64 * 1024 * 1024
_TEMPORARY = re.compile(r".+\.[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.tmp", re.DOTALL)


def is_temporary(name: str) -> bool:
    """Whether a file is one being written, or left by a crash; Distribution names them alike."""
    return name.endswith(".tmp") and _TEMPORARY.fullmatch(name) is not None


class Files:
    """File operations below a root folder, durable if `fsync`."""

    def __init__(self, root: str, *, fsync: bool) -> None:
        self.root = root
        self.fsync = fsync

    def begin(self, path: str) -> tuple[int, str]:
        """A new file beside `path`, and its name; `publish` or `discard` ends it."""
        temporary = f"{path}.{uuid.uuid4()}.tmp"
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
        return self.in_folder(path, lambda: os.open(temporary, flags, 0o666)), temporary

    def publish(
        self, descriptor: int, temporary: str, path: str, *, create: bool
    ) -> os.stat_result:
        """Give a finished file its name, and close it.

        Raises FileExistsError: with `create`, if the name is taken; the file is then gone.
        """
        try:
            if self.fsync:
                os.fsync(descriptor)
            status = os.fstat(descriptor)
            if create:
                os.link(temporary, path)
                os.unlink(temporary)
            else:
                os.replace(temporary, path)
        except BaseException:
            self.discard(descriptor, temporary)
            raise
        os.close(descriptor)
        self.sync_folder(os.path.dirname(path))
        return status

    def discard(self, descriptor: int, temporary: str) -> None:
        os.close(descriptor)
        try:
            os.unlink(temporary)
        except FileNotFoundError:
            return
        self.prune(os.path.dirname(temporary))

    def write(self, path: str, content: bytes, *, create: bool) -> os.stat_result:
        """A whole small file in one call."""
        descriptor, temporary = self.begin(path)
        try:
            write_all(descriptor, content)
        except BaseException:
            self.discard(descriptor, temporary)
            raise
        return self.publish(descriptor, temporary, path, create=create)

    def copy(self, source: str, target: str) -> os.stat_result:
        with open(source, "rb", buffering=0) as reading:
            descriptor, temporary = self.begin(target)
            try:
                while os.sendfile(descriptor, reading.fileno(), None, _COPY):
                    pass
            except BaseException:
                self.discard(descriptor, temporary)
                raise
        return self.publish(descriptor, temporary, target, create=False)

    def move(self, source: str, target: str) -> os.stat_result:
        """Rename, replacing what is there."""
        if not stat.S_ISREG(os.stat(source).st_mode):  # a missing one must not look like a folder
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), source)
        self.in_folder(target, lambda: os.replace(source, target))
        self.sync_folder(os.path.dirname(target))
        if os.path.dirname(source) != os.path.dirname(target):
            self.sync_folder(os.path.dirname(source))
            self.prune(os.path.dirname(source))
        return os.stat(target)

    def remove(self, path: str) -> None:
        """Idempotent; folders that become empty go, too."""
        try:
            os.unlink(path)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return
        self.prune(os.path.dirname(path))

    def prune(self, folder: str) -> None:
        """Remove a folder and those above it while they are empty; never the root."""
        while folder.startswith(self.root + os.sep):
            try:
                os.rmdir(folder)
            except OSError:
                return
            folder = os.path.dirname(folder)

    def in_folder(self, path: str, act: Callable[[], ResultT]) -> ResultT:
        """Do something that needs the folder of `path`, which is created if it is missing."""
        for _ in range(_TRIES):
            try:
                return act()
            except FileNotFoundError:
                self._make_folder(os.path.dirname(path))
        return act()

    def sync_folder(self, folder: str) -> None:
        if not self.fsync:
            return
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _make_folder(self, folder: str) -> None:
        parent = os.path.dirname(folder)
        for _ in range(_TRIES):
            try:
                os.mkdir(folder)
            except FileExistsError:
                return
            except FileNotFoundError:
                self._make_folder(parent)
            else:
                break
        try:
            self.sync_folder(parent)
        except FileNotFoundError:
            return  # pruned meanwhile: whoever needs it tries again


def write_all(descriptor: int, content: bytes) -> None:
    written = os.write(descriptor, content)
    if written < len(content):
        view = memoryview(content)
        while written < len(content):
            written += os.write(descriptor, view[written:])
