"""The bodies of answers, in chunks of about a MiB.

A large body over plain TCP is read from the socket straight into the chunk: on its way through
aiohttp each byte is copied four times more. The connection is not used again then.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Self, cast

import aiohttp

_CHUNK = 1024 * 1024
_LARGE = 4 * _CHUNK  # bytes from which a new connection costs less than the copies


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
        with _Receiver(transport) as receiver:
            if head:
                yield head
            left -= len(head)
            while left and (chunk := await receiver.next(min(left, _CHUNK), silence)):
                left -= len(chunk)
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


class _Receiver(asyncio.Protocol):
    """Takes a connection over, and what comes out of it from now on. Use as a context.

    It reads from the socket by itself, because `recv` makes the chunk that the kernel fills;
    any protocol would have it copied once more.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._loop = asyncio.get_running_loop()
        self._former = cast("asyncio.Protocol", transport.get_protocol())
        transport.pause_reading()
        self._socket = socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno()))
        self._socket.setblocking(False)
        self._awaited = 1  # bytes for which the kernel wakes us
        transport.set_protocol(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    async def next(self, size: int, silence: float) -> bytes:
        """The next `size` bytes; fewer if they come slowly, none at the end."""
        if size != self._awaited:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, size)
            self._awaited = size
        try:
            async with asyncio.timeout(silence):
                await self._readable()
        except TimeoutError:
            with suppress(BlockingIOError):
                return self._socket.recv(size)
            raise
        return self._socket.recv(size)

    async def _readable(self) -> None:
        waiting: asyncio.Future[None] = self._loop.create_future()
        self._loop.add_reader(self._socket, _wake, waiting)
        try:
            await waiting
        finally:
            self._loop.remove_reader(self._socket)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody else ends a connection whose reading is paused; aiohttp waits to hear of it."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._former.connection_lost(exc)


def _wake(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():  # it may be cancelled a moment before the bytes come
        waiting.set_result(None)
