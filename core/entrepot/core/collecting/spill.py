"""Sets of digests that may be larger than memory: sorted parts in a temporary file."""

from __future__ import annotations

import os
import struct
import tempfile
from binascii import unhexlify
from bisect import bisect_left
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from heapq import merge
from itertools import takewhile
from typing import IO, Self

from entrepot.core.errors import FullError
from entrepot.core.names import ALGORITHMS, Digest

_ORDER = sorted(ALGORITHMS)
_RANK = {name: bytes([rank]) for rank, name in enumerate(_ORDER)}
_WIDTH = [1 + ALGORITHMS[name] // 2 for name in _ORDER]
BEHIND_SHA256 = b"\1"
"""Past every packed digest of sha256, the first algorithm."""

_LINK_SIZE = [len(name) + 1 + ALGORITHMS[name] for name in _ORDER]
_HELD = 1 << 17  # digests in memory; some 20 MB
_SIZES = struct.Struct("<II")
_IN_MEMORY = 256 * 1024  # bytes of records
_OVERHEAD = 150  # bytes that a record takes in memory besides its own
_BLOCK = 1024  # digests of a part that are read at a time


def packed(algorithm: str, hexadecimal: str) -> bytes:
    """A digest in few bytes that sort as the digests' texts do. Raises ValueError, KeyError."""
    return _RANK[algorithm] + unhexlify(hexadecimal)


def packed_digest(digest: Digest) -> bytes:
    """The same of a digest that was parsed."""
    return _RANK[digest.algorithm] + unhexlify(digest.hex)


def unpacked(key: bytes) -> Digest:
    """The digest of its `packed` form."""
    return Digest(_ORDER[key[0]], key[1:].hex())


def link_size(key: bytes) -> int:
    """Bytes of a whole link that says this digest."""
    return _LINK_SIZE[key[0]]


def divided(keys: bytes) -> list[bytes]:
    """Packed digests that were joined."""
    found: list[bytes] = []
    at = 0
    while at < len(keys):
        end = at + _WIDTH[keys[at]]
        found.append(keys[at:end])
        at = end
    return found


@contextmanager
def locally() -> Generator[None, None, None]:
    """Turn an error of the disk for temporary files into one for people."""
    try:
        yield
    except OSError as error:
        reason = f"no room for temporary files in {tempfile.gettempdir()}: {error.strerror}"
        raise FullError("", f"{reason}; TMPDIR names another folder") from error


@dataclass(frozen=True, slots=True)
class _Run:
    """Sorted digests of one algorithm in the file, from `start`."""

    file: IO[bytes]
    start: int
    rank: int
    count: int

    def __getitem__(self, index: int) -> bytes:
        return self._read(index, 1)

    def __len__(self) -> int:
        return self.count

    def from_index(self, index: int) -> Iterator[bytes]:
        size = _WIDTH[self.rank]
        for first in range(index, self.count, _BLOCK):
            block = self._read(first, min(_BLOCK, self.count - first))
            yield from (block[at : at + size] for at in range(0, len(block), size))

    def _read(self, index: int, count: int) -> bytes:
        """Without moving the file's position, so that several threads can do it."""
        size = _WIDTH[self.rank]
        with locally():
            return os.pread(self.file.fileno(), count * size, self.start + index * size)


class Spill:
    """A set of packed digests, `held` of them in memory at most.

    To be closed. Its calls block, for as long as a read or write of a local file takes. While
    nothing is added, threads may share it.

    Raises FullError: out of any of them, if there is no room for temporary files.
    """

    def __init__(self, held: int = _HELD) -> None:
        self._limit = held
        self._held: set[bytes] = set()
        self._sorted: list[bytes] | None = None
        self._file: IO[bytes] | None = None
        self._runs: list[_Run] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, keys: Iterable[bytes]) -> None:
        self._held.update(keys)
        self._sorted = None
        if len(self._held) >= self._limit:
            with locally():
                self._write()

    def __contains__(self, key: bytes) -> bool:
        if key in self._held:
            return True
        return any(
            (at := bisect_left(run, key)) < len(run) and run[at] == key
            for run in self._runs
            if run.rank == key[0]
        )

    def between(self, start: bytes = b"", stop: bytes = b"\xff") -> Iterator[bytes]:
        """Those from `start` on and before `stop`, in order; some come twice.

        Not to be iterated any more once others are added.
        """
        if self._sorted is None:
            self._sorted = sorted(self._held)
        held = self._sorted[bisect_left(self._sorted, start) :]
        runs = [run.from_index(bisect_left(run, start)) for run in self._runs]
        return takewhile(lambda key: key < stop, merge(held, *runs) if runs else held)

    def _write(self) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="entrepot-")  # noqa: SIM115 - `__exit__`
        for rank in range(len(_WIDTH)):
            keys = sorted(key for key in self._held if key[0] == rank)
            if keys:
                self._runs.append(_Run(self._file, self._file.tell(), rank, len(keys)))
                self._file.write(b"".join(keys))
        self._file.flush()
        self._held.clear()


class Records:
    """Groups of packed digests, each with a few bytes of its own, in the order they came in.

    Little is kept in memory, more in a temporary file. To be closed; errors as in `Spill`.
    """

    def __init__(self) -> None:
        self._held: list[tuple[bytes, bytes]] = []
        self._size = 0
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, head: bytes, digests: Iterable[bytes]) -> None:
        joined = b"".join(digests)
        self._held.append((head, joined))
        self._size += len(head) + len(joined) + _OVERHEAD
        if self._size > _IN_MEMORY:
            with locally():
                self._write()

    def __iter__(self) -> Iterator[tuple[bytes, list[bytes]]]:
        if self._file is not None:
            with locally():
                yield from self._written(self._file)
        for head, joined in self._held:
            yield head, divided(joined)

    def _written(self, file: IO[bytes]) -> Iterator[tuple[bytes, list[bytes]]]:
        file.seek(0)
        while sizes := file.read(_SIZES.size):
            head, joined = _SIZES.unpack(sizes)
            yield file.read(head), divided(file.read(joined))

    def _write(self) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="entrepot-")  # noqa: SIM115 - `__exit__`
        self._file.seek(0, os.SEEK_END)
        for head, joined in self._held:
            self._file.write(_SIZES.pack(len(head), len(joined)) + head + joined)
        self._held.clear()
        self._size = 0


class Membership:
    """Whether keys are in a sorted iteration; each asked for once, in order, in constant memory."""

    def __init__(self, keys: Iterator[bytes]) -> None:
        self._keys = keys
        self._current = next(keys, None)

    def __contains__(self, key: bytes) -> bool:
        while self._current is not None and self._current < key:
            self._current = next(self._keys, None)
        return self._current == key
