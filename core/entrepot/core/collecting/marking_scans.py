"""Listings of a store for a mark: little is made of each object, because there are so many."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import NamedTuple

from entrepot.core import layout
from entrepot.core.collecting.spill import packed
from entrepot.core.driver import Driver, Entry
from entrepot.core.names import ALGORITHMS

_HEX = "|".join(f"{name}/[0-9a-f]{{{size}}}" for name, size in sorted(ALGORITHMS.items()))
_LINK = re.compile(rf"({_HEX})/link", re.ASCII)
_BLOBS = {
    name: re.compile(rf"([0-9a-f]{{2}})/(\1[0-9a-f]{{{size - 2}}})/data", re.ASCII)
    for name, size in ALGORITHMS.items()
}
_DIGITS = "0123456789abcdef"
_EVERY_SHA256 = "sha256/g"  # behind the links of all digests that begin with sha256


class Found(NamedTuple):
    """A link or a blob: its packed digest, its bytes, when it was written."""

    digest: bytes
    size: int
    modified: float


async def links(driver: Driver, folder: str, after: str = "") -> AsyncGenerator[Found, None]:
    """Links in a folder of layers or revisions, in their order."""
    begins = len(folder)
    match = _LINK.fullmatch
    async with aclosing(driver.scan(folder, after=after)) as entries:
        async for entry in entries:
            found = match(entry.key, begins)
            if found is not None and isinstance(entry, Entry):
                algorithm, hexadecimal = found[1].split("/")
                yield Found(packed(algorithm, hexadecimal), entry.size, entry.modified)


def links_of_longer_digests(driver: Driver, folder: str) -> AsyncGenerator[Found, None]:
    """Those behind the links of sha256; few repositories have any."""
    return links(driver, folder, folder + _EVERY_SHA256)


class Shard(NamedTuple):
    """Some of the blobs: keys of a prefix, packed digests from `start` on and before `stop`."""

    algorithm: str
    digit: str  # that the digests begin with; "" for all of an algorithm
    start: bytes
    stop: bytes


def shards() -> Iterator[Shard]:
    """All blobs, in their order, so that the parts can be listed side by side."""
    for algorithm, size in sorted(ALGORITHMS.items()):
        for digit in _DIGITS if algorithm == "sha256" else [""]:
            start = packed(algorithm, digit.ljust(size, "0"))
            stop = packed(algorithm, digit.ljust(size, "f")) + b"\xff"
            yield Shard(algorithm, digit, start, stop)


async def blobs(driver: Driver, shard: Shard) -> AsyncGenerator[Found, None]:
    """The blobs of a shard, in order."""
    folder = f"{layout.BLOBS}{shard.algorithm}/"
    begins = len(folder)
    match = _BLOBS[shard.algorithm].fullmatch
    async with aclosing(driver.scan(folder + shard.digit)) as entries:
        async for entry in entries:
            found = match(entry.key, begins)
            if found is not None and isinstance(entry, Entry):
                yield Found(packed(shard.algorithm, found[2]), entry.size, entry.modified)
