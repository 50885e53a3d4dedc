"""Files that are read again when they change, while the server runs."""

from __future__ import annotations

import hashlib
import logging
import os
import stat
import time
from collections.abc import Callable
from typing import Generic, TypeAlias, TypeVar

ContentT = TypeVar("ContentT")
_Signature: TypeAlias = tuple[int, int, int, int, int]

_LOG = logging.getLogger("entrepot.server.authentication")
_LARGEST = 8 * 1024 * 1024  # bytes
_AT_ONCE: int = getattr(os, "O_NONBLOCK", 0)  # also where it turns out to be a pipe
_TICK = 100_000_000  # nanoseconds; a second write within them may leave a file's times as they were


def _always(_: bytes) -> str:
    return ""


class Watched(Generic[ContentT]):
    """A small file as `value`, which `parse` makes of its bytes.

    `key` is the path in the configuration that names the file, for messages. `unfinished` says
    why content looks as if somebody were still writing it; such content is waited for.

    Raises OSError: if it cannot be read; ValueError: from `parse`, or if it is no file.
    """

    def __init__(
        self,
        key: str,
        path: str,
        parse: Callable[[bytes], ContentT],
        unfinished: Callable[[bytes], str] = _always,
    ) -> None:
        self._key = key
        self._path = path
        self._parse = parse
        self._unfinished = unfinished
        self._told = ""
        self._signature: _Signature | None = None
        content = self._read()
        self._content = hashlib.sha256(content).digest()
        self.value = parse(content)

    def look(self) -> bool:
        """Whether `value` is a new one, the file having changed.

        Costs a `stat`. Raises nothing: a file that is gone or broken is logged, once, and what
        it held before stays in force.
        """
        try:
            if _signature(os.stat(self._path)) == self._signature:
                return False
            return self._take(self._read())
        except OSError as error:
            self._signature = None
            self._tell(error.strerror or str(error))
        except ValueError as error:
            self._tell(str(error))
        return False

    def _take(self, content: bytes) -> bool:
        found = hashlib.sha256(content).digest()
        if found != self._content:
            if reason := self._unfinished(content):
                raise ValueError(reason)
            self.value = self._parse(content)
            changed, self._content = True, found
            _LOG.info("%s: %s was read again", self._key, self._path)
        else:
            changed = False
        self._told = ""
        return changed

    def _read(self) -> bytes:
        """The content; remembers the signature of what was read, once that is certain."""
        descriptor = os.open(self._path, os.O_RDONLY | _AT_ONCE)
        with open(descriptor, "rb") as file:
            before = os.fstat(descriptor)
            if not stat.S_ISREG(before.st_mode):
                raise ValueError("it is not a file")
            content = file.read(_LARGEST + 1)
            settled = _signature(os.fstat(descriptor)) == _signature(before)
        if len(content) > _LARGEST:
            raise ValueError(f"it is larger than {_LARGEST} bytes")
        is_young = 0 <= time.time_ns() - before.st_mtime_ns < _TICK
        self._signature = _signature(before) if settled and not is_young else None
        return content

    def _tell(self, reason: str) -> None:
        if reason != self._told:
            self._told = reason
            told = "%s: %s cannot be used: %s; what it held before stays in force"
            _LOG.error(told, self._key, self._path, reason)


def _signature(seen: os.stat_result) -> _Signature:
    return seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns
