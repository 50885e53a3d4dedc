"""What the operating system says, as storage errors: one table at the edge."""

from __future__ import annotations

import errno
import os
from collections.abc import Generator
from contextlib import contextmanager

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


@contextmanager
def translating(key: str, path: str, *, writing: bool = False) -> Generator[None, None, None]:
    """Errors of the operating system become storage errors that name the path.

    When `writing`, a missing file or folder says nothing about the object.
    """
    try:
        yield
    except OSError as error:
        raise translated(error, key, path, writing=writing) from error


def translated(error: OSError, key: str, path: str, *, writing: bool = False) -> StorageError:
    kinds = _WRITING_KINDS if writing else _KINDS
    kind = kinds.get(error.errno or 0, UnavailableError)
    if kind in {NotFoundError, ExistsError}:
        return kind(key)
    return kind(key, f"{path}: {error.strerror or error}")


def is_folder(path: str) -> IsADirectoryError:
    """What reading a folder raises, also where opening it succeeds."""
    return IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
