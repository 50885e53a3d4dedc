"""Independent work side by side, with a bound."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

WIDTH = 16  # store requests that one client request may have under way


async def each(
    function: Callable[[ItemT], Awaitable[ResultT]], items: Iterable[ItemT], width: int = WIDTH
) -> list[ResultT]:
    """`function` of every item, in the items' order, at most `width` at once.

    The first error cancels the rest and is raised as it is.
    """
    waiting = list(enumerate(items))
    results: list[ResultT | None] = [None] * len(waiting)
    if len(waiting) == 1:
        return [await function(waiting[0][1])]
    waiting.reverse()

    async def work() -> None:
        while waiting:
            index, item = waiting.pop()
            results[index] = await function(item)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(width, len(waiting))):
                group.create_task(work())
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return results  # type: ignore[return-value]  # every place was filled
