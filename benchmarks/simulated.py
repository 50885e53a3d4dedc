"""A driver over a store that is nowhere: listings and manifests are made as they are asked for.

Of every blob 36 bytes lie sorted in a file, which is read in blocks; so the memory of whoever
uses this driver is that of its own doing.
"""

from __future__ import annotations

import hashlib
import os
import struct
from bisect import bisect_left
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from benchmarks.store import Shape, image, name_of, place_of

from entrepot.core import Driver, Entry, NotFoundError, Prefix
from entrepot.core.layout import BLOBS, REPOSITORIES

__all__ = ["SimulatedDriver", "prepare"]

_RECORD = struct.Struct(">32sI")
_NO_MANIFEST = 0xFFFFFFFF
_BLOCK = 1000  # records read at a time, and the page of the object stores
_SHA256 = f"{BLOBS}sha256/"


def prepare(file: Path, shape: Shape) -> None:
    """Write the sorted list of a store's blobs."""
    records: list[bytes] = []
    for number in range(shape.all_manifests):
        for key, content in image(shape, number):
            if key.startswith(BLOBS):
                digest = hashlib.sha256(content).digest()
                which = number if content.startswith(b"{") else _NO_MANIFEST
                records.append(_RECORD.pack(digest, which))
    records.sort()
    file.write_bytes(b"".join(records))


@dataclass(frozen=True, slots=True)
class _Records:
    """The list of blobs."""

    descriptor: int
    count: int

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> bytes:
        return os.pread(self.descriptor, _RECORD.size, index * _RECORD.size)

    def beginning(self, digits: str) -> Iterator[tuple[str, int]]:
        """Digests that begin with these digits, and their numbers, in order."""
        at = bisect_left(self, bytes.fromhex(digits.ljust(64, "0")))
        while at < self.count:
            block = os.pread(self.descriptor, _RECORD.size * _BLOCK, _RECORD.size * at)
            for digest, number in _RECORD.iter_unpack(block):
                if not digest.hex().startswith(digits):
                    return
                yield digest.hex(), number
            at += _BLOCK


class SimulatedDriver(Driver):
    """Lists and reads, and that is all; everything in it is old."""

    def __init__(self, file: Path, shape: Shape) -> None:
        self._shape = shape
        self._records = _Records(
            os.open(file, os.O_RDONLY | os.O_CLOEXEC), file.stat().st_size // _RECORD.size
        )

    def close(self) -> None:
        """Close the list of blobs."""
        os.close(self._records.descriptor)

    async def stat(self, key: str) -> NoReturn:
        """There is nothing to be asked for that a listing does not tell."""
        raise NotFoundError(key)

    async def read(
        self, key: str, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """The bytes of a manifest."""
        hexadecimal = key.split("/")[-2]
        for _, number in self._records.beginning(hexadecimal):
            for other, content in image(self._shape, number):
                if other == key:
                    yield content[start:stop]
                    return
        raise NotFoundError(key)

    async def scan(
        self, prefix: str, *, after: str = "", delimiter: str = ""
    ) -> AsyncGenerator[Entry | Prefix, None]:
        """Blobs, folders of repositories, or links of one."""
        if prefix.startswith(_SHA256):
            for digest, _ in self._records.beginning(prefix.removeprefix(_SHA256)):
                yield Entry(f"{_SHA256}{digest[:2]}/{digest}/data", 100, 0.0)
        elif delimiter and prefix.startswith(REPOSITORIES):
            for folder in self._folders(prefix):
                if folder > after:
                    yield Prefix(folder)
        elif "/_" in prefix:
            for key in self._links(prefix):
                if key > after:
                    yield Entry(key, 71, 0.0)

    def _folders(self, prefix: str) -> list[str]:
        parts = prefix.removeprefix(REPOSITORIES).split("/")[:-1]
        if len(parts) == 2:
            return [f"{prefix}_layers/", f"{prefix}_manifests/"]
        numbers = range(self._shape.repositories)
        names = (name_of(number).split("/") for number in numbers)
        return sorted(
            {f"{prefix}{name[len(parts)]}/" for name in names if name[: len(parts)] == parts}
        )

    def _links(self, prefix: str) -> list[str]:
        name = prefix.removeprefix(REPOSITORIES).partition("/_")[0]
        first = place_of(name) * self._shape.images
        return sorted(
            key
            for number in range(first, first + self._shape.images)
            for key, _ in image(self._shape, number)
            if key.startswith(prefix)
        )

    async def write(self, key: str, chunks: AsyncIterator[bytes], *, create: bool = False) -> Entry:
        """Nothing is written by who only looks."""
        raise NotImplementedError

    async def delete(self, keys: Sequence[str]) -> None:
        """Nor deleted."""
        raise NotImplementedError
