"""The object under a key: what it is, and its content or where that is.

A head is 256 bytes of JSON, then the content if that is small, else JSON of the runs that it is
made of. Each write makes a head with an id of its own, by which it is replaced and removed.
"""

from __future__ import annotations

import errno
import json
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

HEADER = 256  # bytes
INLINE = 1024 * 1024  # bytes of content that a head holds
PIECE = 1024 * 1024  # bytes that are read at a time


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive chunks of one transfer; each is of `chunk` bytes, but for the last one."""

    name: str
    size: int  # of all of them
    chunk: int

    @property
    def count(self) -> int:
        return -(-self.size // self.chunk)


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of one chunk."""

    run: str
    number: int
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Head:
    id: str
    size: int
    modified: float
    generation: str = ""  # whose chunks the content is; "": it follows the header
    body: bytes = b""

    @property
    def runs(self) -> list[Run]:
        return runs_of(self.body)

    def encoded(self) -> bytes:
        said: dict[str, Any] = {"entrepot": 1, "id": self.id, "size": self.size}
        said |= {"modified": self.modified, "generation": self.generation}
        return json.dumps(said).encode().ljust(HEADER - 1) + b"\n" + self.body

    def retimed(self) -> Head:
        """The same, written now."""
        return replace(self, modified=time.time())


def decoded(raw: bytes) -> Head:
    """A head of its first bytes.

    Raises OSError: if that is none.
    """
    try:
        said = json.loads(raw[:HEADER])
        return Head(said["id"], said["size"], said["modified"], said["generation"], raw[HEADER:])
    except (ValueError, KeyError, TypeError) as error:
        raise OSError(errno.EBADMSG, "the object is not one of this driver") from error


def inline(content: bytes) -> Head:
    """Of a small object."""
    return Head(new_id(), len(content), time.time(), "", content)


def striped(generation: str, runs: Sequence[Run]) -> Head:
    """Of an object in chunks."""
    size = sum(run.size for run in runs)
    return Head(new_id(), size, time.time(), generation, written(runs).encode())


def written(runs: Sequence[Run]) -> str:
    return json.dumps([[run.name, run.size, run.chunk] for run in runs])


def runs_of(text: str | bytes) -> list[Run]:
    """Raises OSError: if that is none."""
    try:
        return [Run(name, size, chunk) for name, size, chunk in json.loads(text)]
    except (ValueError, TypeError) as error:
        raise OSError(errno.EBADMSG, "the list of chunks is damaged") from error


def pieces(runs: Sequence[Run], start: int, stop: int) -> Iterator[Piece]:
    """What bytes [start, stop) are made of, in order."""
    begin = 0
    for run in runs:
        at, end = max(start - begin, 0), min(stop - begin, run.size)
        while at < end:
            number, offset = divmod(at, run.chunk)
            until = min(offset + PIECE, run.chunk, offset + end - at)
            yield Piece(run.name, number, offset, until)
            at += until - offset
        begin += run.size


def new_id() -> str:
    return uuid.uuid4().hex
