"""Request bodies: pulled piece by piece, gathered to sizes worth a write."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive

from entrepot.core.errors import ManifestTooLargeError, SizeInvalidError
from entrepot.server.errors import BodyTimeoutError

CHUNK = 1024 * 1024
"""Bytes to which small pieces are gathered before they are hashed and written."""

_ENOUGH = CHUNK // 4  # a piece of this size goes on as it came, uncopied


async def chunks(receive: Receive, idle: float) -> AsyncGenerator[bytes, None]:
    """The body in chunks of 1 or 2 MiB; holds no more than one of them.

    `idle` is the number of seconds a client may send nothing.

    Raises ClientDisconnect; BodyTimeoutError.
    """
    held: list[bytes] = []
    size = 0
    more = True
    patience = _Patience(receive, idle)
    try:
        while more:
            message = await patience.receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            piece: bytes = message.get("body", b"")
            more = message.get("more_body", False)
            held.append(piece)
            size += len(piece)
            if size >= _ENOUGH and (size >= CHUNK or len(held) == 1 or not more):
                yield piece if len(held) == 1 else b"".join(held)
                held, size = [], 0
        if size:
            yield b"".join(held)
    finally:
        patience.end()


class _Patience:
    """Receives, and gives up on a client that sends nothing for too long.

    One timer looks from time to time whether something came, because clients send layers in
    frames of a few bytes, and a time-out for each of those would cost more than the frame.
    """

    def __init__(self, receive: Receive, idle: float) -> None:
        self._receive = receive
        self._idle = idle
        self._loop = asyncio.get_running_loop()
        self._waiting: asyncio.Task[object] | None = None
        self._since = 0.0
        self._ended = False
        self._timer = self._loop.call_later(idle, self._look)

    async def receive(self) -> Message:
        self._since = self._loop.time()
        self._waiting = asyncio.current_task()
        try:
            return await self._receive()
        except asyncio.CancelledError:
            if self._ended and self._waiting is not None and self._waiting.uncancel() == 0:
                raise BodyTimeoutError(f"no data came for {self._idle:g} seconds") from None
            raise
        finally:
            self._waiting = None

    def end(self) -> None:
        self._timer.cancel()

    def _look(self) -> None:
        now = self._loop.time()
        since = self._since if self._waiting is not None else now
        if self._waiting is not None and now - since >= self._idle:
            self._ended = True
            self._waiting.cancel()
        else:
            self._timer = self._loop.call_at(since + self._idle, self._look)


async def exactly(body: AsyncIterator[bytes], size: int) -> AsyncGenerator[bytes, None]:
    """The same stream. Raises SizeInvalidError: before passing on more than `size` bytes, or
    at the end if there were fewer.
    """
    passed = 0
    async for chunk in body:
        passed += len(chunk)
        if passed > size:
            raise SizeInvalidError(f"the body has more than the {size} bytes of Content-Range")
        yield chunk
    if passed < size:
        raise SizeInvalidError(f"the body has {passed} bytes, not the {size} of Content-Range")


async def whole(receive: Receive, idle: float, limit: int) -> bytes:
    """A small body in one piece.

    Raises ManifestTooLargeError: when more than `limit` bytes came.
    """
    held: list[bytes] = []
    size = 0
    async for chunk in chunks(receive, idle):
        held.append(chunk)
        size += len(chunk)
        if size > limit:
            raise ManifestTooLargeError(f"the manifest is larger than {limit} bytes")
    return b"".join(held)
