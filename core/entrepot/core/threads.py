"""Blocking calls off the event loop: bounded, and ended when their caller goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

ParametersT = ParamSpec("ParametersT")
ResultT = TypeVar("ResultT")


class Threads:
    """The one place through which a driver makes the blocking calls of its client library.

    At most `width` calls run at once, more wait. A call that has begun cannot be stopped, so
    a cancelled `run` waits for its end: whatever cleans up afterwards is alone.
    """

    def __init__(self, width: int, name: str = "entrepot") -> None:
        self._pool = ThreadPoolExecutor(width, thread_name_prefix=name)

    async def run(
        self,
        function: Callable[ParametersT, ResultT],
        *arguments: ParametersT.args,
        **options: ParametersT.kwargs,
    ) -> ResultT:
        """The call's result, or what it raises."""
        return await self._ended(self._pool.submit(partial(function, *arguments, **options)))

    async def obtain(
        self, function: Callable[[], ResultT], release: Callable[[ResultT], object]
    ) -> ResultT:
        """Like `run` for what has to be given back: nothing is kept if it is cancelled."""
        future = self._pool.submit(function)
        try:
            return await self._ended(future)
        except asyncio.CancelledError:
            if not future.cancelled() and future.exception() is None:
                await self.run(release, future.result())
            raise

    def close(self) -> None:
        """End the threads; what runs still is waited for."""
        self._pool.shutdown()

    async def _ended(self, future: Future[ResultT]) -> ResultT:
        waiting = asyncio.wrap_future(future)
        try:
            return await asyncio.shield(waiting)
        except asyncio.CancelledError:
            if future.cancel():
                raise
            while not waiting.done():
                await _undisturbed(waiting)
            waiting.exception()  # looked at, so that nobody is told it was not
            raise


async def _undisturbed(waiting: asyncio.Future[ResultT]) -> None:
    try:
        await asyncio.wait([waiting])
    except asyncio.CancelledError:
        return  # the first cancellation is raised when the call has ended
