"""Blocking calls beside the event loop, and on it while the disk is quick."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

from entrepot.core.threads import Threads

ResultT = TypeVar("ResultT")
ArgsT = TypeVarTuple("ArgsT")

_SLOW = 0.005  # seconds; a quick call that takes longer shows a slow disk
_PAUSE = 5.0  # seconds for which quick calls then go through threads, too


class PacedThreads(Threads):
    """The one way of this driver to block."""

    def __init__(self, width: int) -> None:
        super().__init__(width, "filesystem")
        self._slow_until = 0.0

    def start(
        self, function: Callable[[*ArgsT], ResultT], *args: *ArgsT
    ) -> asyncio.Future[ResultT]:
        """Begin a call; whoever begins it waits for it with `finished`."""
        return asyncio.wrap_future(self._pool.submit(function, *args))

    async def quick(
        self,
        function: Callable[[*ArgsT], ResultT],
        *args: *ArgsT,
        release: Callable[[ResultT], object] | None = None,
    ) -> ResultT:
        """A call that needs microseconds on a disk that is well: made on the spot.

        A hop to a thread costs some twenty times as much as opening and reading a small file
        that the system has in memory. When one such call was slow (a sleeping disk, a network
        mount), they go through threads for a while, so that transfers do not wait for them.
        `release` gives the result back if nobody is there to take it any more.
        """
        began = time.monotonic()
        if began < self._slow_until:
            return await self.obtain(lambda: function(*args), release or _keep)
        try:
            return function(*args)
        finally:
            ended = time.monotonic()
            if ended - began > _SLOW:
                self._slow_until = ended + _PAUSE


async def finished(call: asyncio.Future[ResultT]) -> ResultT:
    """The result of a call in a thread, waited for to its end even when cancelled."""
    cancelled: asyncio.CancelledError | None = None
    while not call.done():
        try:
            await asyncio.wait([call])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        if not call.cancelled():
            call.exception()  # seen: the cancellation is what is told
        raise cancelled
    return call.result()


def _keep(_: object) -> None:
    """For results that hold nothing."""
