"""What must come to its end although the task that began it is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from entrepot.core import StorageError
from entrepot_oss.errors import Refused

ResultT = TypeVar("ResultT")
_LONGEST = 15.0  # seconds after a cancellation


async def unbroken(work: Coroutine[Any, Any, ResultT]) -> ResultT:
    """The work's result. A cancellation is passed on when the work has ended, or after a time.

    For requests that OSS carries out although nobody waits for their answers: else they would
    take effect at some moment after the cancellation.
    """
    return await landed(asyncio.create_task(work))


async def landed(task: asyncio.Task[ResultT]) -> ResultT:
    """The same of work that is under way."""
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await ended(task)
        raise


async def attempted(work: Coroutine[Any, Any, object]) -> None:
    """Do what tidies up behind a failure, to its end; that it fails, too, changes nothing."""
    with suppress(Refused, StorageError):
        await unbroken(work)


async def ended(task: asyncio.Task[Any]) -> None:
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
