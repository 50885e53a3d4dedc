"""One stream into two stores, the second one first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

from entrepot.core import Driver, Entry


class Tee:
    """Pulls a stream once and gives it to two writers in step, a few chunks in memory."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._queues = [asyncio.Queue[bytes | None](1) for _ in range(2)]

    async def write(self, first: Driver, second: Driver, key: str) -> Entry:
        """Store the stream in both, or in the second alone, or in none.

        The first store has the object only when the second has it. An error of the stream comes
        out as it went in.
        """
        pulled: Exception | None = None
        try:
            async with asyncio.TaskGroup() as group:
                there = group.create_task(second.write(key, self._given(1)))
                here = group.create_task(first.write(key, self._given(0, there)))
                try:
                    await self._pull()
                except Exception as error:
                    pulled = error
                    raise
        except BaseExceptionGroup as errors:
            raise pulled or errors.exceptions[0] from None
        return here.result()

    async def _pull(self) -> None:
        async for chunk in self._chunks:
            for queue in self._queues:
                await queue.put(chunk)
        for queue in self._queues:
            await queue.put(None)

    async def _given(
        self, number: int, before: asyncio.Task[Entry] | None = None
    ) -> AsyncGenerator[bytes, None]:
        """The stream for one writer; it does not end until `before` is done."""
        while (chunk := await self._queues[number].get()) is not None:
            yield chunk
        if before is not None:
            await asyncio.wait([before])
            before.result()  # its failure is this stream's
