"""What must be done to its end, also by a task that was cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

ResultT = TypeVar("ResultT")

CLEANING = 15.0  # seconds


async def settled(
    work: Coroutine[Any, Any, ResultT], seconds: float = CLEANING
) -> ResultT | Exception:
    """The work's result or error, waited for though the waiting task is cancelled meanwhile.

    A cancellation is passed on when the work has ended, by its time at the latest.
    """
    task = asyncio.create_task(_bounded(work, seconds))
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
    return task.result()


async def _bounded(work: Coroutine[Any, Any, ResultT], seconds: float) -> ResultT | Exception:
    try:
        async with asyncio.timeout(seconds):
            return await work
    except Exception as error:
        return error


async def unbroken(work: Coroutine[Any, Any, ResultT], seconds: float = CLEANING) -> ResultT:
    """The work's result; a cancellation is passed on when it has ended, or after that time.

    For what the server does to its end although nobody waits for it any more: else it would
    happen at some time after the cancellation.
    """
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        try:
            await settled(_all({task}), seconds)
        finally:
            await ended({task})
        raise


async def ended(tasks: set[asyncio.Task[ResultT]]) -> None:
    """Cancel tasks and wait for them; a cancellation meanwhile is passed on afterwards."""
    for task in tasks:
        task.cancel()
    if tasks:
        await settled(_all(tasks), 60.0)


async def _all(tasks: set[asyncio.Task[Any]]) -> None:
    await asyncio.wait(tasks)
    for task in tasks:
        _ = task.cancelled() or task.exception()  # or it is reported as never retrieved
