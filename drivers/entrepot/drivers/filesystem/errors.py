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


@contextmanager
def translating(key: str, path: str) -> Generator[None, None, None]:
    """Errors of the operating system become storage errors that name the path."""
    try:
        yield
    except OSError as error:
        raise translated(error, key, path) from error


def translated(error: OSError, key: str, path: str) -> StorageError:
    kind = _KINDS.get(error.errno or 0, UnavailableError)
    reason = os.strerror(error.errno) if error.errno else str(error)
    return kind(key, f"{path}: {reason}")
