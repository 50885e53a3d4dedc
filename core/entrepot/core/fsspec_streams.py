"""Streams between the core and a filesystem: gathered, counted, fetched ahead."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable


class Counted:
    """A stream, and how many bytes of it have been pulled."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self.size = 0

    def __aiter__(self) -> Counted:
        return self

    async def __anext__(self) -> bytes:
        chunk = await anext(self._chunks)
        self.size += len(chunk)
        return chunk


async def ahead_by_one(
    fetch: Callable[[int, int], Awaitable[bytes]], start: int, end: int, window: int
) -> AsyncGenerator[bytes, None]:
    """Bytes [start, end) by windows, the next one being fetched while one is consumed."""
    ahead: asyncio.Future[bytes] | None = None
    try:
        for at in range(start, end, window):
            following = min(at + window, end)
            data = await (ahead or fetch(at, following))
            ahead = None
            if following < end:
                further = min(following + window, end)
                ahead = asyncio.ensure_future(fetch(following, further))
            yield data
    finally:
        if ahead is not None:
            ahead.cancel()
            await asyncio.wait([ahead])
            _ = ahead.cancelled() or ahead.exception()


async def gathered(chunks: AsyncIterator[bytes], size: int) -> AsyncGenerator[bytes, None]:
    """The stream in pieces of at least `size` bytes, but for the last one."""
    held: list[bytes] = []
    length = 0
    async for chunk in chunks:
        held.append(chunk)
        length += len(chunk)
        if length >= size:
            yield b"".join(held)
            held, length = [], 0
    if length:
        yield b"".join(held)
