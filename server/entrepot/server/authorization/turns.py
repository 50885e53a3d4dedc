"""Turns at something costly: few at a time, some who wait, the rest are sent away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from entrepot.core.access import BusyError


class Turns:
    """At most `width` have a turn at a time, and at most `most` wait for one."""

    def __init__(self, width: int, most: int) -> None:
        self._free = asyncio.Semaphore(width)
        self._most = most
        self._waiting = 0

    @asynccontextmanager
    async def take(self) -> AsyncGenerator[None, None]:
        """Raises BusyError: if too many wait."""
        if self._waiting >= self._most:
            raise BusyError("too many passwords are being checked", retry_after=2.0)
        self._waiting += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._free.release()
