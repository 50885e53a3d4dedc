"""How fast the bytes of a store may be read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator


class Pace:
    """Bytes per second that all readers take together; None: as fast as it goes."""

    def __init__(self, rate: float | None = None) -> None:
        self._rate = rate
        self._free = 0.0  # by the loop's clock, when what was read has had its time

    async def kept(self, chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        """Pass chunks on, not faster than that."""
        async for chunk in chunks:
            await self._wait(len(chunk))
            yield chunk

    async def _wait(self, size: int) -> None:
        if self._rate is None:
            return
        now = asyncio.get_running_loop().time()
        self._free = max(self._free, now) + size / self._rate
        await asyncio.sleep(self._free - now)
