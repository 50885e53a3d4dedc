"""Streams of bytes, pulled by their consumer."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from entrepot.core.driver import Driver
from entrepot.core.errors import UnavailableError


async def once(content: bytes) -> AsyncGenerator[bytes, None]:
    """A stream of one chunk, or of none if there is no content."""
    if content:
        yield content


async def gather(driver: Driver, key: str, limit: int) -> bytes:
    """A whole small object.

    Raises NotFoundError; UnavailableError: if it is larger than `limit` bytes.
    """
    parts: list[bytes] = []
    size = 0
    async with aclosing(driver.read(key)) as chunks:
        async for chunk in chunks:
            parts.append(chunk)
            size += len(chunk)
            if size > limit:
                reason = f"object is larger than the {limit} bytes expected of it"
                raise UnavailableError(key, reason)
    return parts[0] if len(parts) == 1 else b"".join(parts)


async def beginning(driver: Driver, key: str, size: int) -> bytes:
    """The first `size` bytes of an object, or all of a smaller one. Raises NotFoundError."""
    async with aclosing(driver.read(key, 0, size)) as chunks:
        return b"".join([chunk async for chunk in chunks])


async def drain(chunks: AsyncIterator[bytes]) -> int:
    """Pull a stream to its end and count its bytes."""
    size = 0
    async for chunk in chunks:
        size += len(chunk)
    return size
