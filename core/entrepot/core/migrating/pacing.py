"""A bound on how many bytes pass in a second."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable


class Pace:
    """Lets `rate` bytes pass in a second on average, whoever they come from; 0: any number."""

    def __init__(
        self,
        rate: int,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._rate = rate
        self._clock = clock
        self._sleep = sleep
        self._free = clock()  # when all that was let pass has had its time

    async def spend(self, size: int) -> None:
        """Wait until `size` more bytes may have passed."""
        if not self._rate:
            return
        now = self._clock()
        self._free = max(self._free, now) + size / self._rate
        if self._free > now:
            await self._sleep(self._free - now)
