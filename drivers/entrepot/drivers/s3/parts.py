"""Parts of a multipart upload: how large they are, and some of them under way at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self

from entrepot.drivers.s3.answers import Part
from entrepot.drivers.s3.body import Body
from entrepot.drivers.s3.settling import ended

MOST_PARTS = 10_000  # of an object, by the protocol
_CLASS = 1000  # parts of one size, before they grow
_WIDTH = 3  # parts of one transfer under way


def size_of_part(number: int, chunksize: int) -> int:
    """Bytes of the part of that number: a multiple of `chunksize`, equal for 1000 parts each.

    Some servers want equal parts, none takes more than 10,000 of them, and all are in memory
    for a while. With 5 MiB for a start an object may have 268 GiB, with 10 MiB 537 GiB.
    """
    return chunksize * (1 + (number - 1) // _CLASS)


class Allowance:
    """Bytes of parts that all transfers of a driver together may hold beyond one part each."""

    def __init__(self, size: int) -> None:
        self._left = size

    def take(self, size: int) -> bool:
        if size > self._left:
            return False
        self._left -= size
        return True

    def give(self, size: int) -> None:
        self._left += size


class Flight:
    """Parts of one upload on their way. Use as an async context: leaving it ends them."""

    def __init__(
        self, send: Callable[[int, Body], Coroutine[Any, Any, Part]], allowance: Allowance
    ) -> None:
        self._send = send
        self._allowance = allowance
        self._tasks: dict[int, asyncio.Task[Part]] = {}  # in the order of their numbers
        self._landed: list[Part] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await ended(set(self._tasks.values()))

    async def add(self, number: int, body: Body) -> None:
        """Send a part; returns when the next one may be gathered.

        Raises what the sending of this part or an earlier one raised.
        """
        extra = self._allowance.take(body.size)
        task = asyncio.create_task(self._send(number, body))
        self._tasks[number] = task
        if extra:
            task.add_done_callback(lambda _: self._allowance.give(body.size))
        if not extra:
            await asyncio.wait([task])
        elif len(self._tasks) >= _WIDTH:
            await asyncio.wait(self._tasks.values(), return_when=asyncio.FIRST_COMPLETED)
        self._collect()

    async def landed(self) -> list[Part]:
        """All parts, when they have arrived. Raises what the sending of one raised."""
        while self._tasks:
            await asyncio.wait(self._tasks.values(), return_when=asyncio.FIRST_COMPLETED)
            self._collect()
        return self._landed

    async def prefix(self) -> list[Part]:
        """The parts up to the first that fails, when that is known."""
        for number, task in list(self._tasks.items()):
            await asyncio.wait([task])
            if task.cancelled() or task.exception():
                break
            self._landed.append(self._tasks.pop(number).result())
        return self._landed

    def _collect(self) -> None:
        while self._tasks:
            number, task = next(iter(self._tasks.items()))
            if not task.done():
                failed = [t for t in self._tasks.values() if t.done() and t.exception()]
                if failed:
                    failed[0].result()
                return
            part = task.result()
            del self._tasks[number]
            self._landed.append(part)
