"""How many threads obstore works with."""

from __future__ import annotations

import os
from functools import cache

import obstore
from obstore.store import MemoryStore

_VARIABLE = "TOKIO_WORKER_THREADS"


@cache
def use_one_thread() -> None:
    """Let obstore have one thread in this process, unless the environment says how many.

    By default there is one for each processor, and every answer wakes one that then finds
    nothing to do: a fifth to two fifths of what a small request costs, on two processors.
    Without effect if somebody else in the process used obstore before.
    """
    if _VARIABLE in os.environ:
        return
    os.environ[_VARIABLE] = "1"
    try:
        obstore.put(MemoryStore(), "any", b"")  # a call that waits has the threads started now
    finally:
        del os.environ[_VARIABLE]
