"""Errors of RADOS as the registry's."""

from __future__ import annotations

import errno
from collections.abc import Generator
from contextlib import contextmanager

from entrepot.core import (
    AccessError,
    ExistsError,
    FullError,
    NotFoundError,
    StorageError,
    UnavailableError,
)

_SAID: dict[int, tuple[type[StorageError], str]] = {
    errno.EPERM: (AccessError, "the user may not do this in the pool"),
    errno.EACCES: (AccessError, "the user may not do this in the pool"),
    errno.EROFS: (AccessError, "the pool cannot be written"),
    errno.EOPNOTSUPP: (AccessError, "the pool cannot hold an index; it must be a replicated one"),
    errno.ENOSPC: (FullError, "the cluster is full"),
    errno.EDQUOT: (FullError, "the quota of the pool is used up"),
    errno.ETIMEDOUT: (UnavailableError, "the cluster does not answer in time"),
}
_LONGEST = 200


@contextmanager
def translating(key: str) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise translated(key, error) from error


def translated(key: str, error: OSError) -> StorageError:
    if isinstance(error, FileNotFoundError):
        return NotFoundError(key)
    if isinstance(error, FileExistsError):
        return ExistsError(key)
    kind, said = _SAID.get(error.errno or 0, (UnavailableError, "RADOS fails"))
    return kind(key, f"{said}: {error.strerror}"[:_LONGEST])
