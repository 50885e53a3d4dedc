"""The bodies of answers, in chunks of about a MiB.

A large body over plain TCP is received by a protocol of its own, straight into the chunk: on
its way through aiohttp each byte is copied three times more, which was a third of the
processor time of a pull. The connection is not used again then.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import cast

import aiohttp

_CHUNK = 1024 * 1024
_LARGE = 4 * _CHUNK  # bytes from which a new connection costs less than the copies
_AHEAD = 2  # chunks held before the server has to wait


async def body(
    response: aiohttp.ClientResponse, left: int, silence: float
) -> AsyncGenerator[bytes, None]:
    """At most `left` bytes of an answer; fewer if the connection breaks unseen.

    `silence` is how many seconds may pass without a byte; of a smaller body, the request's
    own timeout says that.

    Raises ClientError, TimeoutError or OSError: if it breaks.
    """
    transport = response.connection.transport if response.connection else None
    if left >= _LARGE and transport and transport.get_extra_info("sslcontext") is None:
        parts = _direct(response, transport, left, silence)
    else:
        parts = _gathered(response, left)
    async with aclosing(parts) as chunks:
        async for chunk in chunks:
            yield chunk


async def _gathered(response: aiohttp.ClientResponse, left: int) -> AsyncGenerator[bytes, None]:
    content = response.content
    gathered: list[bytes] = []
    size = 0
    while left > size:
        piece = await content.readany()
        if not piece:
            break
        piece = piece[: left - size]
        gathered.append(piece)
        size += len(piece)
        if size >= _CHUNK:
            chunk = gathered[0] if len(gathered) == 1 else b"".join(gathered)
            gathered, left, size = [], left - size, 0
            yield chunk
    if gathered:
        yield gathered[0] if len(gathered) == 1 else b"".join(gathered)


async def _direct(
    response: aiohttp.ClientResponse, transport: asyncio.Transport, left: int, silence: float
) -> AsyncGenerator[bytes, None]:
    try:
        head = _received(response, left)
        receiver = _Receiver(transport, left - len(head), silence)
        if head:
            yield head
        while chunk := await receiver.next():
            yield chunk
    finally:
        transport.abort()
        response.close()


def _received(response: aiohttp.ClientResponse, left: int) -> bytes:
    """What aiohttp has of the body already; more comes from its parser as there is room."""
    pieces: list[bytes] = []
    while piece := response.content.read_nowait(-1):
        pieces.append(piece)
    return b"".join(pieces)[:left]


class _Receiver(asyncio.BufferedProtocol):
    """Takes a connection over, and what comes out of it from now on, up to `left` bytes."""

    def __init__(self, transport: asyncio.Transport, left: int, silence: float) -> None:
        self._transport = transport
        self._left = left
        self._silence = silence
        self._former = cast("asyncio.Protocol", transport.get_protocol())
        self._buffer = bytearray(_CHUNK)
        self._view = memoryview(self._buffer)
        self._at = 0
        self._ready: deque[bytes] = deque()
        self._ended = left == 0
        self._error: Exception | None = None
        self._waiting: asyncio.Future[None] | None = None
        transport.set_protocol(self)
        if not transport.is_reading():
            transport.resume_reading()

    async def next(self) -> bytes:
        """The next chunk; empty at the end."""
        while not self._ready and not self._ended:
            await self._arrival()
        if self._ready:
            chunk = self._ready.popleft()
            if not self._ended and not self._transport.is_reading():
                self._transport.resume_reading()
            return chunk
        if self._error is not None:
            raise self._error
        return b""

    async def _arrival(self) -> None:
        """Until there is a chunk, or the end, or some bytes of a server that is slow."""
        before = self._at
        self._waiting = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(self._silence):
                await self._waiting
        except TimeoutError:
            if self._at == before:
                raise
            self._hand_over()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._view[self._at :]

    def buffer_updated(self, nbytes: int) -> None:
        self._at += nbytes
        if self._at == _CHUNK or self._at >= self._left:
            self._hand_over()

    def eof_received(self) -> None:
        self._hand_over()
        self._end(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """The former protocol hears of it too, for aiohttp waits for that."""
        self._end(exc)
        self._former.connection_lost(exc)

    def _hand_over(self) -> None:
        size = min(self._at, self._left)
        self._at = 0
        self._left -= size
        if size:
            self._ready.append(bytes(self._view[:size]))
        if not self._left:
            self._end(None)
        if self._ended or len(self._ready) >= _AHEAD:
            self._transport.pause_reading()
        self._wake()

    def _end(self, error: Exception | None) -> None:
        if not self._ended:
            self._ended, self._error = True, error
        self._wake()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)
