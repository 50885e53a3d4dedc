"""Memory of large pieces: kept for the next one instead of given back each time."""

from __future__ import annotations

import ctypes
import sys

from entrepot.server.body import CHUNK

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # parameters of mallopt(3)
_LARGEST = 16 * CHUNK  # bytes of a piece that is kept
_KEPT = 64 * CHUNK  # bytes of free memory, at most, that are not given back


def keep_freed_pieces() -> None:
    """Have glibc use a freed piece of a body again; elsewhere nothing changes.

    It gives blocks of this size back to the system at once, which hands out new ones with
    every page to be zeroed: for pieces of 2 MiB that took more time than receiving them.
    """
    if sys.platform != "linux":
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return
    mallopt(_MMAP_THRESHOLD, _LARGEST)
    mallopt(_TRIM_THRESHOLD, _KEPT)
