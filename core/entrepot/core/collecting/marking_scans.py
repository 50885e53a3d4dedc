"""Listings of a store for a mark: little is made of each object, because there are so many."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from entrepot.core import layout
from entrepot.core.collecting.spill import BEHIND_SHA256, Membership, Spill, packed
from entrepot.core.driver import Driver
from entrepot.core.names import ALGORITHMS, RepositoryName

_LINK = re.compile(
    "|".join(rf"{name}/[0-9a-f]{{{size}}}/(?:link)?" for name, size in ALGORITHMS.items()), re.ASCII
)
_BLOB = re.compile(
    "|".join(
        rf"{name}/([0-9a-f]{{2}})/\{number}[0-9a-f]{{{size - 2}}}/(?:data)?"
        for number, (name, size) in enumerate(ALGORITHMS.items(), 1)
    ),
    re.ASCII,
)
_DIGITS = "0123456789abcdef"


class Found(NamedTuple):
    """A link or a blob: its packed digest, its bytes, when it was written."""

    digest: bytes
    size: int
    modified: float


def links(driver: Driver, folder: str) -> AsyncGenerator[Found, None]:
    """Links in a folder of revisions or of a tag's history, in their order."""
    return _unneeded(driver, folder, _Keys(folder, _LINK, "link"), lambda: iter(()), lambda _: None)


def unneeded_layers(
    driver: Driver, name: RepositoryName, needed: Spill, count: Callable[[int], None]
) -> AsyncGenerator[Found, None]:
    """Links to blobs that are not `needed`; see `_unneeded`.

    Those under another digest than sha256 are given in any case, because they may say one.
    """
    folder = layout.layers(name)
    sha256 = partial(needed.between, stop=BEHIND_SHA256)
    return _unneeded(driver, folder, _Keys(folder, _LINK, "link"), sha256, count)


class Shard(NamedTuple):
    """Some of the blobs: keys of a prefix, packed digests from `start` on and before `stop`."""

    prefix: str
    start: bytes
    stop: bytes


def shards() -> Iterator[Shard]:
    """All blobs, in their order, so that the parts can be listed side by side."""
    for algorithm, size in sorted(ALGORITHMS.items()):
        for digit in _DIGITS if algorithm == "sha256" else [""]:
            start = packed(algorithm, digit.ljust(size, "0"))
            stop = packed(algorithm, digit.ljust(size, "f")) + b"\xff"
            yield Shard(f"{layout.BLOBS}{algorithm}/{digit}", start, stop)


def unneeded_blobs(
    driver: Driver,
    shard: Shard,
    needed: Callable[[], Iterator[bytes]],
    count: Callable[[int], None],
) -> AsyncGenerator[Found, None]:
    """Blobs of a shard that are not `needed`; see `_unneeded`."""
    keys = _Keys(layout.BLOBS, _BLOB, "data")
    return _unneeded(driver, shard.prefix, keys, needed, count)


@dataclass(frozen=True, slots=True)
class _Keys:
    """How digests are written in keys below a folder, and what the keys end with."""

    folder: str
    pattern: re.Pattern[str]
    name: str

    def digest(self, key: str) -> bytes | None:
        """That of an object, or of a folder that is its alone; None if it is another's."""
        found = self.pattern.fullmatch(key, len(self.folder))
        if found is None:
            return None
        parts = found[0].split("/")
        return packed(parts[0], parts[-2])


async def _unneeded(
    driver: Driver,
    prefix: str,
    keys: _Keys,
    needed: Callable[[], Iterator[bytes]],
    count: Callable[[int], None],
) -> AsyncGenerator[Found, None]:
    """What is below a prefix and not `needed`, which gives packed digests in order, each time.

    What is needed is not even looked at where the driver can do without, and a folder that is
    one digest's alone is not read: the object in it is asked for. `count` is told of
    everything, by numbers.
    """
    asked, given = Membership(needed()), Membership(needed())
    refused = 0

    def wanted(folder: str) -> bool | str:
        nonlocal refused
        digest = keys.digest(folder)
        if digest is None:
            return True
        if digest in asked:
            refused += 1
            return False
        return keys.name

    async with aclosing(driver.sift(prefix, wanted)) as entries:
        async for entry in entries:
            digest = keys.digest(entry.key)
            if digest is None:
                continue
            count(1)
            if digest not in given:
                yield Found(digest, entry.size, entry.modified)
    count(refused)
