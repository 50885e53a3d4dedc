"""Random content of which every upload differs, hashed only once."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

__all__ = ["TAIL", "Blob", "Content"]

TAIL = 4096  # bytes at the end that make a blob unlike any other
_PIECE = 1 << 20


class _Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...

    def hexdigest(self) -> str: ...

    def copy(self) -> Self: ...


@dataclass(frozen=True, slots=True)
class Blob:
    """The beginning of a shared file, and a tail of its own."""

    file: Path
    size: int
    tail: bytes
    digest: str

    @property
    def shared(self) -> int:
        """Bytes that come from the file."""
        return self.size - len(self.tail)


class Content:
    """A file of random bytes, from which blobs of the sizes foreseen are cut.

    The state of the hash is kept at the end of each size's shared part, so a blob costs no more
    than the hash of its tail.
    """

    def __init__(self, file: Path, sizes: Iterable[int]) -> None:
        self._file = file
        self._states: dict[int, _Hash] = {}
        state, done = hashlib.sha256(), 0
        with file.open("wb") as target:
            for size in sorted(set(sizes)):
                while done < size - TAIL:
                    piece = os.urandom(min(_PIECE, size - TAIL - done))
                    target.write(piece)
                    state.update(piece)
                    done += len(piece)
                self._states[size] = state.copy()

    def blob(self, size: int) -> Blob:
        """A blob that nobody has seen before, of a size foreseen."""
        tail = os.urandom(TAIL)
        state = self._states[size].copy()
        state.update(tail)
        return Blob(self._file, size, tail, f"sha256:{state.hexdigest()}")
