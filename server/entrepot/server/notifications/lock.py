"""One sender for an endpoint among the processes of a host: a lock that ends with its holder."""

from __future__ import annotations

import fcntl
import os
from urllib.parse import quote

_LONGEST = 200  # bytes of a file's name


class Lock:
    """The lock of an endpoint in the outbox's folder; without a folder it is always free."""

    def __init__(self, folder: str | None, endpoint: str) -> None:
        name = quote(endpoint, safe="")[:_LONGEST]
        self._path = os.path.join(folder, f"{name}.lock") if folder is not None else None
        self._descriptor: int | None = None

    def take(self) -> bool:
        """Whether it is ours now. Raises OSError: if the folder is not there any more."""
        if self._path is None or self._descriptor is not None:
            return True
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def give_back(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
