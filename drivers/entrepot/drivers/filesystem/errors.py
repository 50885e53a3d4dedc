"""What the operating system says, as storage errors: one table at the edge."""

from __future__ import annotations

import errno
import os
from types import TracebackType

from entrepot.core import (
    AccessError,
    ExistsError,
    FullError,
    KeyInvalidError,
    NotFoundError,
    StorageError,
    UnavailableError,
)

_KINDS: dict[int, type[StorageError]] = {
    errno.ENOENT: NotFoundError,
    errno.ENOTDIR: NotFoundError,
    errno.EISDIR: NotFoundError,
    errno.EEXIST: ExistsError,
    errno.EACCES: AccessError,
    errno.EPERM: AccessError,
    errno.EROFS: AccessError,
    errno.ENOSPC: FullError,
    errno.EDQUOT: FullError,
    errno.EFBIG: FullError,
    errno.ENAMETOOLONG: KeyInvalidError,
}

_WRITING_KINDS: dict[int, type[StorageError]] = {
    **_KINDS,
    errno.ENOENT: UnavailableError,
    # a key that is the beginning of another one, up to a slash: no folder can hold both
    errno.ENOTDIR: KeyInvalidError,
    errno.EISDIR: KeyInvalidError,
}


class translating:  # noqa: N801 - read as a verb in `with`
    """Errors of the operating system become storage errors that name the path.

    When `writing`, a missing file or folder says nothing about the object. A class, because
    it is entered for every request and a generator costs thrice as much.
    """

    __slots__ = ("_key", "_path", "_writing")

    def __init__(self, key: str, path: str, *, writing: bool = False) -> None:
        self._key = key
        self._path = path
        self._writing = writing

    def __enter__(self) -> None:
        return

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, OSError):
            raise translated(error, self._key, self._path, writing=self._writing) from error


def translated(error: OSError, key: str, path: str, *, writing: bool = False) -> StorageError:
    kinds = _WRITING_KINDS if writing else _KINDS
    kind = kinds.get(error.errno or 0, UnavailableError)
    if kind in {NotFoundError, ExistsError}:
        return kind(key)
    return kind(key, f"{path}: {error.strerror or error}")


def is_folder(path: str) -> IsADirectoryError:
    """What reading a folder raises, also where opening it succeeds."""
    return IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
