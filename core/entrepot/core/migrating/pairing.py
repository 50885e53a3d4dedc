"""Two stores listed side by side."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeVar

from entrepot.core.driver import Driver, Entry

ItemT = TypeVar("ItemT")


@dataclass(frozen=True, slots=True)
class Pair:
    """An object as both stores list it; None: that one does not."""

    key: str
    source: Entry | None
    target: Entry | None

    @property
    def is_alike(self) -> bool:
        """Whether both have it with the same size."""
        ours, theirs = self.source, self.target
        return ours is not None and theirs is not None and ours.size == theirs.size


async def pairs(source: Driver, target: Driver, prefix: str) -> AsyncGenerator[Pair, None]:
    """What either store has under a prefix, in byte order, in constant memory."""
    async with (
        aclosing(_entries(source, prefix)) as ours,
        aclosing(_entries(target, prefix)) as theirs,
    ):
        here, there = await anext(ours, None), await anext(theirs, None)
        while here is not None or there is not None:
            key = min(entry.key for entry in (here, there) if entry is not None)
            pair = Pair(key, _at(key, here), _at(key, there))
            yield pair
            if pair.source is not None:
                here = await anext(ours, None)
            if pair.target is not None:
                there = await anext(theirs, None)


async def spread(
    function: Callable[[ItemT], Awaitable[object]], items: AsyncGenerator[ItemT, None], width: int
) -> None:
    """`function` of every item, at most `width` at once; done when all are. Closes `items`.

    The first error cancels the rest and is raised as it is.
    """
    room = asyncio.Semaphore(width)

    async def work(item: ItemT) -> None:
        try:
            await function(item)
        finally:
            room.release()

    try:
        async with aclosing(items), asyncio.TaskGroup() as group:
            async for item in items:
                await room.acquire()
                group.create_task(work(item))
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None


async def _entries(driver: Driver, prefix: str) -> AsyncGenerator[Entry, None]:
    async with aclosing(driver.scan(prefix)) as entries:
        async for entry in entries:
            if isinstance(entry, Entry):
                yield entry


def _at(key: str, entry: Entry | None) -> Entry | None:
    return entry if entry is not None and entry.key == key else None
