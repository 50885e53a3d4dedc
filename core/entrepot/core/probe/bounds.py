"""Waiting for strangers' code no longer than one wants, even if it cannot be cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any, TypeVar

from entrepot.core.driver import Driver

ResultT = TypeVar("ResultT")

GRACE = 5.0  # seconds that cancelled work may take to end


class HungError(Exception):
    """Work neither ends nor lets itself be cancelled; the process is not to wait for it."""


async def bounded(work: Coroutine[Any, Any, ResultT], seconds: float) -> ResultT:
    """The result of work that takes at most `seconds`.

    Raises TimeoutError: if it took longer and was cancelled; HungError: if it goes on all the
    same after another GRACE seconds.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait([task], timeout=seconds)
    except asyncio.CancelledError:
        await _end(task)
        raise
    if task.done():
        return task.result()
    await _end(task)
    raise TimeoutError


async def _end(task: asyncio.Task[Any]) -> None:
    task.cancel()
    await asyncio.wait([task], timeout=GRACE)
    task.add_done_callback(_forgotten)
    if not task.done():
        raise HungError


def _forgotten(task: asyncio.Task[Any]) -> None:
    """Ask for the error that nobody waits for any more, or it is reported as never asked for."""
    if not task.cancelled():
        task.exception()


class Instance:
    """A driver that a task of its own opens and closes, as contexts want it."""

    def __init__(self, opening: Callable[[], AbstractAsyncContextManager[Driver, Any]]) -> None:
        self._opening = opening
        self._driver = asyncio.get_running_loop().create_future()
        self._released = asyncio.Event()
        self._task = asyncio.ensure_future(self._hold())

    async def driver(self, seconds: float) -> Driver:
        """The open driver.

        Raises TimeoutError or HungError: if that takes longer; what the opening raises.
        """
        either = [self._driver, self._task]
        await asyncio.wait(either, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if not self._driver.done():
            if self._task.done():
                self._task.result()
            await _end(self._task)
            raise TimeoutError
        driver: Driver = self._driver.result()
        return driver

    async def close(self, seconds: float) -> None:
        """Raises TimeoutError or HungError: if that takes longer; what the closing raises."""
        self._released.set()
        await asyncio.wait([self._task], timeout=seconds)
        if not self._task.done():
            await _end(self._task)
            raise TimeoutError
        with suppress(asyncio.CancelledError):
            self._task.result()

    async def _hold(self) -> None:
        async with self._opening() as driver:
            self._driver.set_result(driver)
            await self._released.wait()
