"""Independent work side by side whose results are taken in order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import TypeVar

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


async def in_order(
    function: Callable[[ItemT], Awaitable[ResultT]], items: AsyncIterator[ItemT], width: int
) -> AsyncGenerator[ResultT, None]:
    """`function` of every item in the items' order; at most `width` are begun and not taken.

    The first error in that order is raised as it is. When this ends or is closed, nothing runs.
    """
    begun: deque[asyncio.Task[ResultT]] = deque()

    async def call(item: ItemT) -> ResultT:
        return await function(item)

    try:
        async for item in items:
            begun.append(asyncio.create_task(call(item)))
            if len(begun) == width:
                yield await begun.popleft()
        while begun:
            yield await begun.popleft()
    finally:
        for task in begun:
            task.cancel()
        await asyncio.gather(*begun, return_exceptions=True)
