"""Work beside serving, once in each interval, whatever goes wrong with it."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

from entrepot.core.errors import RegistryError

_LONGEST_START = 3600.0  # seconds; Distribution begins to purge within the first hour, too


@asynccontextmanager
async def beside(work: Coroutine[Any, Any, None]) -> AsyncGenerator[None, None]:
    """Work goes on until the context is left, which cancels it."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def repeat(
    act: Callable[[], Awaitable[object]],
    interval: float,
    log: logging.Logger,
    name: str,
    failed: str,
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Act every `interval` seconds, the first time after a while that differs by replica.

    The log tells of the start of what has this `name`, and when it has `failed`: "expired tags
    were not removed".
    """
    wait = random.uniform(0, min(interval, _LONGEST_START))  # noqa: S311 - spreads load
    while True:
        log.info("Starting %s in %d s", name, wait)
        await pause(wait)
        try:
            await act()
        except RegistryError as error:
            log.warning("%s, the next try is in %s s: %s", failed, interval, error)
        except Exception:
            log.exception("%s, the next try is in %s s", failed, interval)
        wait = interval


def replica() -> str:
    """This process's name on the store, for people."""
    return f"{socket.gethostname()}:{os.getpid()}"
