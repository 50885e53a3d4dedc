"""All blobs in the order of their digests, whichever algorithm: so a place can be kept.

A place is text like `ab/abcdef…/data`, the part of a key behind its algorithm. "" is before
everything; a place need not be that of a blob.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing

from entrepot.core import layout
from entrepot.core.driver import Driver, Entry
from entrepot.core.names import ALGORITHMS

_DIGITS = 12


def place_of(key: str) -> str:
    """Where an object below `layout.BLOBS` has its turn."""
    return key[len(layout.BLOBS) :].partition("/")[2]


def share(place: str) -> float:
    """How much of all digests is before a place: 0 to 1."""
    digits = place.partition("/")[2][:_DIGITS] or place[:2]
    try:
        return int(digits, 16) / 16 ** len(digits) if digits else 0.0
    except ValueError:  # a stray's
        return share(place[:2]) if len(place) > 2 else 0.0


def place_at(part: float) -> str:
    """The place that has this share of all digests before it."""
    digits = f"{int(part * 16**_DIGITS):0{_DIGITS}x}"
    return f"{digits[:2]}/{digits}"


async def entries(driver: Driver, after: str) -> AsyncGenerator[Entry, None]:
    """What lies past a place, blobs and anything else, in the places' order."""
    async with AsyncExitStack() as stack:
        heads: list[tuple[str, str, Entry, AsyncGenerator[Entry, None]]] = []
        for algorithm in ALGORITHMS:
            walk = await stack.enter_async_context(aclosing(_of(driver, algorithm, after)))
            async for entry in walk:
                heads.append((place_of(entry.key), algorithm, entry, walk))
                break
        while heads:
            first = min(heads, key=lambda head: head[:2])
            heads.remove(first)
            yield first[2]
            async for entry in first[3]:
                heads.append((place_of(entry.key), first[1], entry, first[3]))
                break


async def _of(driver: Driver, algorithm: str, after: str) -> AsyncGenerator[Entry, None]:
    prefix = f"{layout.BLOBS}{algorithm}/"
    async with aclosing(driver.scan(prefix, after=prefix + after if after else "")) as found:
        async for entry in found:
            if isinstance(entry, Entry):
                yield entry


class Front:
    """How far work has come of which several pieces are under way, begun in order."""

    def __init__(self, reached: str) -> None:
        self.reached = reached
        self._open: dict[str, bool] = {}

    def begin(self, place: str) -> None:
        self._open[place] = False

    def end(self, place: str) -> None:
        self._open[place] = True
        while self._open:
            first = next(iter(self._open))
            if not self._open[first]:
                return
            del self._open[first]
            self.reached = first


class Shared:
    """An iterator that several tasks take from, one after another."""

    def __init__(self, walk: AsyncGenerator[Entry, None]) -> None:
        self._walk = walk
        self._lock = asyncio.Lock()

    async def take(self) -> Entry | None:
        async with self._lock:
            return await anext(self._walk, None)
