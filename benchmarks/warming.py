"""Memory that is at hand when a server asks for it, on virtual machines too.

A host gives memory to its guest at the first write to it, and may take back what the guest has
freed. A page then costs ten times what a page costs that is there, and whoever writes it pays, so
the same server doing the same work needs once 2 and once 4 CPU-seconds.
"""

from __future__ import annotations

import mmap
import multiprocessing
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection as Pipe

from benchmarks.machine import memory

__all__ = ["warm_memory"]

_AHEAD = 256 << 20  # bytes kept free for what comes next
_PIECE = 64 << 20
_SHARE = 0.8  # of what is free: more would drive files out of the cache
_INTERVAL = 0.005  # seconds
_fork = multiprocessing.get_context("fork")


@contextmanager
def warm_memory(size: int) -> Generator[None, None, None]:
    """Let so many bytes that will be written during the block go to memory that is there.

    A process of its own uses that much, then gives way piece by piece as memory is asked for.
    """
    size = min(size + _AHEAD, int(memory("MemFree") * _SHARE))
    receiver, sender = _fork.Pipe(duplex=False)
    process = _fork.Process(target=_give_way, args=(size, sender), daemon=True)
    process.start()
    sender.close()
    try:
        receiver.recv()
        yield
    finally:
        process.kill()
        process.join()
        receiver.close()


def _give_way(size: int, ready: Pipe) -> None:
    pieces = [_piece() for _ in range(size // _PIECE)]
    wanted = memory("MemFree") + _AHEAD
    _give(pieces, wanted)
    ready.send(None)
    while pieces:
        time.sleep(_INTERVAL)
        _give(pieces, wanted)


def _piece() -> mmap.mmap:
    """Memory written to, in huge pages: the kernel gives away whole ones before fragments."""
    piece = mmap.mmap(-1, _PIECE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with suppress(OSError):  # a kernel without huge pages
        piece.madvise(mmap.MADV_HUGEPAGE)
    for at in range(0, _PIECE, mmap.PAGESIZE):
        piece[at] = 1
    return piece


def _give(pieces: list[mmap.mmap], wanted: int) -> None:
    while pieces and memory("MemFree") < wanted:
        pieces.pop().close()
