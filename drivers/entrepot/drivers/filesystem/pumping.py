"""Streams into files: the next chunk is pulled while the last one is written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from entrepot.drivers.filesystem.files import write_all
from entrepot.drivers.filesystem.threads import PacedThreads, finished


async def pump(chunks: AsyncIterator[bytes], descriptor: int, threads: PacedThreads) -> int:
    """Write a stream behind what the file has; gives the number of bytes.

    When this returns or raises, no thread uses the descriptor any more, and what was written
    is a true beginning of the stream.
    """
    written = 0
    writing: asyncio.Future[None] | None = None
    try:
        async for chunk in chunks:
            if writing is not None:
                await finished(writing)
            writing = threads.start(write_all, descriptor, chunk)
            written += len(chunk)
        if writing is not None:
            await finished(writing)
    except BaseException:
        if writing is not None and not writing.done():
            await finished(writing)
        raise
    return written
