"""Blocking calls off the event loop: bounded, and ended when their caller goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar, TypeVarTuple

ResultT = TypeVar("ResultT")
ArgsT = TypeVarTuple("ArgsT")

Wanted = Callable[[], bool]
"""Asked from a thread: does the task that made this call still want its result?"""


class Call(asyncio.Future[ResultT]):
    """A call that a thread makes, awaited by the task that began it.

    A thread cannot be stopped, and what it works on must not be closed under it. So the call
    declines to be cancelled, and asyncio tells the task of its cancellation when the call
    has ended.
    """

    wanted = True

    def cancel(self, msg: Any = None) -> bool:
        self.wanted = False
        return False

    def is_wanted(self) -> bool:
        return self.wanted


class Threads:
    """The one place through which a driver makes the blocking calls of its client library.

    At most `width` calls run at a time, more wait. For one event loop. It does less than a
    `ThreadPoolExecutor`, for half the processor time.
    """

    def __init__(self, width: int, name: str = "entrepot") -> None:
        self._width = width
        self._name = name
        self._queue: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._threads: list[Thread] = []
        self._calls = 0  # begun and not ended; touched on the event loop only

    async def run(self, function: Callable[[*ArgsT], ResultT], *args: *ArgsT) -> ResultT:
        """The result of a call in a thread; when this raises, even if cancelled, it has ended."""
        return await self.start(function, *args)

    async def run_wanted(self, function: Callable[[Wanted], ResultT]) -> ResultT:
        """Like `run`; the call can ask whether it was cancelled, and then undo what it did."""
        call = Call[ResultT](loop=asyncio.get_running_loop())
        self._begin(call, function, call.is_wanted)
        return await call

    async def obtain(
        self,
        release: Callable[[ResultT], object],
        function: Callable[[*ArgsT], ResultT],
        *args: *ArgsT,
    ) -> ResultT:
        """Like `run` for what has to be given back: nothing is kept if this is cancelled."""
        call = self.start(function, *args)
        try:
            return await call
        except asyncio.CancelledError:
            if call.exception() is None:
                await self.run(release, call.result())
            raise

    def start(self, function: Callable[[*ArgsT], ResultT], *args: *ArgsT) -> Call[ResultT]:
        """Begin a call; who begins it awaits it, whatever happens."""
        call = Call[ResultT](loop=asyncio.get_running_loop())
        self._begin(call, function, *args)
        return call

    def close(self) -> None:
        """End the threads; what runs still is waited for."""
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()
        self._threads.clear()

    def _begin(
        self, call: Call[ResultT], function: Callable[[*ArgsT], ResultT], *args: *ArgsT
    ) -> None:
        tell = call.get_loop().call_soon_threadsafe

        def work() -> None:
            try:
                result = function(*args)
            except BaseException as error:
                tell(self._failed, call, error)
            else:
                tell(self._done, call, result)

        self._calls += 1
        if self._calls > len(self._threads) and len(self._threads) < self._width:
            self._add_thread()
        self._queue.put(work)

    def _add_thread(self) -> None:
        name = f"{self._name}-{len(self._threads)}"
        thread = Thread(target=_serve, args=(self._queue,), name=name, daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the system gives no more
            if not self._threads:
                raise
        else:
            self._threads.append(thread)

    def _done(self, call: Call[ResultT], result: ResultT) -> None:
        self._calls -= 1
        call.set_result(result)

    def _failed(self, call: Call[ResultT], error: BaseException) -> None:
        self._calls -= 1
        call.set_exception(error)


def _serve(queue: SimpleQueue[Callable[[], None] | None]) -> None:
    while (work := queue.get()) is not None:
        work()
        del work  # what it holds is not kept until the next one comes
