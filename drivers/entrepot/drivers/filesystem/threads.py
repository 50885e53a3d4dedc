"""Blocking calls on the event loop while the disk is quick, else beside it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import TypeVar, TypeVarTuple

from entrepot.core.threads import Threads

ResultT = TypeVar("ResultT")
ArgsT = TypeVarTuple("ArgsT")

# Seconds. A call on the event loop that takes longer shows a slow disk; waiting for the
# interpreter's lock or for a busy processor takes some milliseconds, and is no reason.
_SLOW = 0.02
_SLICE = 0.002  # seconds of a walk on the event loop
_PAUSE = 1.0  # seconds for which calls then go through threads


class Pace:
    """Whether the disk answers so quickly that waiting for it on the event loop costs least.

    A hop to a thread and back takes some ten times the processor time of opening, reading
    and closing a small file that the system has in memory. When a call was slow (a disk that
    sleeps or is overloaded, a network mount), calls go through threads for a while, so that
    other transfers do not stand still; then the next call tries again.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._slow_until = 0.0

    def is_quick(self) -> bool:
        return self._clock() >= self._slow_until

    def call(self, function: Callable[[*ArgsT], ResultT], *args: *ArgsT) -> ResultT:
        """Make a call here and now, and judge by it."""
        began = self._clock()
        try:
            return function(*args)
        finally:
            ended = self._clock()
            if ended - began > _SLOW:
                self._slow_until = ended + _PAUSE

    def slice(self, items: Iterator[ResultT], size: int) -> tuple[list[ResultT], bool]:
        """Items for a short time, `size` of them at most, and whether these are the last."""
        page: list[ResultT] = []
        until = self._clock() + _SLICE
        for item in items:
            page.append(item)
            if len(page) == size or self._clock() > until:
                return page, False
        return page, True


class PacedThreads(Threads):
    """The one way of this driver to block."""

    def __init__(self, width: int, pace: Pace | None = None) -> None:
        super().__init__(width, "filesystem")
        self._pace = pace or Pace()
        self._walking = asyncio.Lock()

    async def take(self, items: Iterator[ResultT], size: int) -> tuple[list[ResultT], bool]:
        """The next items of a walk, `size` of them at most, and whether these are the last.

        On a quick disk walks side by side in threads do little but hand the interpreter's lock
        to each other. So they take turns on the event loop, a slice at a time.
        """
        if not self._pace.is_quick():
            page = await self.run(list, islice(items, size))
            return page, len(page) < size
        async with self._walking:
            found = self._pace.call(self._pace.slice, items, size)
            await asyncio.sleep(0)
        return found

    async def quick(
        self,
        release: Callable[[ResultT], object] | None,
        function: Callable[[*ArgsT], ResultT],
        *args: *ArgsT,
    ) -> ResultT:
        """A call that takes microseconds on a disk that is well: made on the spot if it is.

        `release` is `obtain`'s, None for results that hold nothing.
        """
        if self._pace.is_quick():
            return self._pace.call(function, *args)
        if release is None:
            return await self.run(function, *args)
        return await self.obtain(release, function, *args)
