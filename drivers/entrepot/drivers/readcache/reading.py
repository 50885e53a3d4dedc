"""What a read still lacks, and pieces of local files."""

from __future__ import annotations

import os
from dataclasses import dataclass

from entrepot.drivers.filesystem.files import in_memory
from entrepot.drivers.filesystem.threads import PacedThreads

_PIECE = 1024 * 1024


@dataclass(slots=True)
class Left:
    """The bytes [start, stop) that a reader has not been given yet."""

    start: int
    stop: int | None  # None: to the end
    is_settled: bool = False  # `stop` is no more than the size

    def settle(self, size: int) -> int:
        """Say how long the blob is; gives where reading ends."""
        self.stop = size if self.stop is None else min(self.stop, size)
        self.is_settled = True
        return self.stop

    @property
    def is_nothing(self) -> bool:
        return self.is_settled and self.stop is not None and self.start >= self.stop


async def read_piece(threads: PacedThreads, descriptor: int, start: int, stop: int) -> bytes:
    """Bytes from `start` on, on the spot if the system has them in memory.

    Raises OSError: also if the file ends before.
    """
    size = min(_PIECE, stop - start)
    if in_memory(descriptor, start, size):
        content = os.pread(descriptor, size, start)
    else:
        content = await threads.run(os.pread, descriptor, size, start)
    if not content:
        raise OSError("a file was cut while it was read")
    return content
