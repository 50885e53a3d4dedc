"""What must come to its end although the task that began it is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

ResultT = TypeVar("ResultT")
_LONGEST = 15.0  # seconds after a cancellation


async def unbroken(work: Coroutine[Any, Any, ResultT]) -> ResultT:
    """The work's result. A cancellation is passed on when the work has ended, or after a time.

    For requests that Swift carries out although nobody waits for their answers: else they
    would take effect at some moment after the cancellation.
    """
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await _ended(task)
        raise


async def _ended(task: asyncio.Task[Any]) -> None:
    """Wait for a task within bounds, then cancel it; more cancellations do not interrupt that."""
    ending = asyncio.ensure_future(asyncio.wait([task], timeout=_LONGEST))
    while not ending.done():
        try:
            await asyncio.shield(ending)
        except asyncio.CancelledError:
            continue
    if not task.done():
        task.cancel()
        await asyncio.wait([task])
    _ = task.cancelled() or task.exception()  # or it is reported as never retrieved
