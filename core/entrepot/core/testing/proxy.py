"""A proxy between a driver and its server, on which connections fail on cue."""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal

from entrepot.core.testing.proxy_messages import Body, Head, MessageError, read_head

Action = Literal[
    "answer", "cut request", "cut answer", "drop answer",
    "truncate", "stall", "stall answer", "delay",
]  # fmt: skip
"""What a failure does to a request:

- `answer`: gives `status`, `retry_after` and `body`; the server never sees the request.
- `cut request`: resets the connection when the request has `after` bytes of body; the server
  sees no more than these.
- `cut answer`: resets it when the driver has `after` bytes of the answer, head included.
- `drop answer`: lets the server answer in full, and resets without passing any of it on.
- `truncate`: ends the connection in good order when the driver has `after` bytes of the body.
- `stall`: neither passes the request on nor answers it, until the driver gives up.
- `stall answer`: passes on `after` bytes of the answer, and then no more.
- `delay`: waits `seconds` before it passes the request on.
"""

_PIECE = 64 * 1024
_SETTLING = 15.0  # seconds for the connections of a closed driver to end


@dataclass
class Failure:
    """What happens to the `nth` request, and `times` from there, that matches."""

    action: Action
    method: str = ".*"  # a regular expression of all of the method
    target: str = ""  # a regular expression found in the target
    nth: int = 1  # counted from 1
    times: int | None = 1  # None: all from there
    after: int = 0  # bytes
    seconds: float = 0.0
    status: int = 503
    retry_after: int | None = None  # seconds
    body: bytes = b""
    met: int = field(default=0, init=False)  # matching requests so far

    def hits(self, method: str, target: str) -> bool:
        """Count a request that matches, and tell whether it is one to fail."""
        if not re.fullmatch(self.method, method) or not re.search(self.target, target):
            return False
        self.met += 1
        return self.met >= self.nth and (self.times is None or self.met < self.nth + self.times)


@dataclass(frozen=True, slots=True)
class Request:
    """A request that came by."""

    method: str
    target: str = field(repr=False)  # may hold a signature

    def __str__(self) -> str:
        return f"{self.method} {self.target.partition('?')[0]}"


class _Over(Exception):  # noqa: N818 - the way a connection is to end, not a kind of error
    """End the connection in good order."""


class FaultProxy:
    """Passes HTTP/1.1 between a driver and a server, counts, and meets its `failures`.

    Plain HTTP only. The server's own address in a `Location` becomes the proxy's, so that
    what it leads to comes by here, too.
    """

    def __init__(self, host: str, port: int) -> None:
        self.failures: list[Failure] = []
        self.requests: list[Request] = []
        self.connections = 0  # accepted so far
        self.address = ""  # host:port of the proxy itself
        self._upstream = host, port
        self._server: asyncio.Server | None = None
        self._tasks: dict[asyncio.Task[None], asyncio.StreamReader] = {}
        self._port: int = 0

    @property
    def open(self) -> int:
        """Connections that the driver has open now, whether or not the server still answers."""
        return sum(not _has_ended(reader) for reader in self._tasks.values())

    async def listen(self) -> None:
        """Accept connections, on the same port as before if it did already."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._port)
        port: int = self._server.sockets[0].getsockname()[1]
        self._port = port
        self.address = f"127.0.0.1:{port}"

    async def refuse(self) -> None:
        """Refuse connections from now on, and reset those that there are."""
        if self._server is not None:
            self._server.close()
        await self.reset()

    async def reset(self) -> None:
        """Reset every connection."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def settled(self) -> int:
        """Connections that are still open although their driver is closed.

        Waits also for what the server has still to answer on those that the driver gave up, so
        that a late request does not reach a store that is being emptied.
        """
        tasks = list(self._tasks)
        if tasks:
            await asyncio.wait(tasks, timeout=_SETTLING)
        return self.open

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._tasks[task] = reader
        task.add_done_callback(self._tasks.pop)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = _Connection(self, reader, writer)
        try:
            while await connection.exchange(self._upstream):
                pass
        except _Over:
            pass
        except (OSError, EOFError, MessageError, asyncio.CancelledError):
            _reset(writer)
        finally:
            connection.close()

    def failure(self, head: Head) -> Failure | None:
        """Note a request; what is to happen to it."""
        self.requests.append(Request(head.method, head.target))
        hitting = [each for each in self.failures if each.hits(head.method, head.target)]
        return hitting[0] if hitting else None

    def local(self, head: bytes) -> bytes:
        """A head whose Location leads through the proxy."""
        there = "{}:{}".format(*self._upstream).encode()
        return re.sub(
            rb"(?im)^(location:[^\r\n]*?//)" + re.escape(there),
            rb"\g<1>" + self.address.encode(),
            head,
        )


@asynccontextmanager
async def proxying(host: str, port: int) -> AsyncGenerator[FaultProxy, None]:
    """A proxy on a free loopback port in front of that server."""
    proxy = FaultProxy(host, port)
    await proxy.listen()
    try:
        yield proxy
    finally:
        await proxy.refuse()


class _Connection:
    """One connection of the driver, and the one to the server that belongs to it."""

    def __init__(
        self, proxy: FaultProxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._proxy = proxy
        self._reader = reader
        self._writer = writer
        self._server: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    def close(self) -> None:
        self._writer.close()
        if self._server is not None:
            self._server[1].transport.abort()

    async def exchange(self, upstream: tuple[str, int]) -> bool:
        """Pass one request and its answer; whether another may follow."""
        head = await read_head(self._reader)
        failure = self._proxy.failure(head)
        action = failure.action if failure else ""
        if failure is not None and action == "answer":
            return await self._answer(head, failure)
        if action == "stall":
            await _given_up(self._reader)
            return False
        if failure is not None and action == "delay":
            await asyncio.sleep(failure.seconds)
        if self._server is None or self._server[0].at_eof():
            self._server = await asyncio.open_connection(*upstream)
        return await self._pass(head, failure)

    async def _pass(self, head: Head, failure: Failure | None) -> bool:
        """Both directions at once, because a server may answer before it has read everything."""
        sending = asyncio.ensure_future(self._send(head, failure))
        receiving = asyncio.ensure_future(self._receive(head, failure))
        try:
            await asyncio.wait([sending, receiving], return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
            return await receiving and sending.done()
        finally:
            await _end(sending, receiving)

    async def _answer(self, head: Head, failure: Failure) -> bool:
        if not head.expects_continue:
            async for _ in Body.of_request(head).read(self._reader):
                pass
        lines = [
            f"HTTP/1.1 {failure.status} {HTTPStatus(failure.status).phrase}",
            f"Content-Length: {len(failure.body)}",
        ]
        if failure.retry_after is not None:
            lines.append(f"Retry-After: {failure.retry_after}")
        if head.expects_continue:
            lines.append("Connection: close")
        body = b"" if head.method == "HEAD" else failure.body
        self._writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        await self._writer.drain()
        return not head.expects_continue

    async def _send(self, head: Head, failure: Failure | None) -> None:
        assert self._server is not None
        writer = self._server[1]
        left = failure.after if failure and failure.action == "cut request" else None
        body = Body.of_request(head)
        if left is not None and (left == 0 or body == Body()):
            raise ConnectionResetError("request cut")
        writer.write(head.raw)
        async for piece in body.read(self._reader):
            writer.write(piece if left is None else piece[:left])
            await writer.drain()
            if left is not None:
                left -= len(piece)
                if left <= 0:
                    break
        await writer.drain()
        if left is not None:
            raise ConnectionResetError("request cut")

    async def _receive(self, request: Head, failure: Failure | None) -> bool:
        assert self._server is not None
        reader = self._server[0]
        passing = _Passing(self._reader, self._writer, failure)
        head = await read_head(reader)
        while head.status // 100 == 1:
            await passing.interim(head.raw)
            head = await read_head(reader)
        await passing.head(self._proxy.local(head.raw))
        body = Body.of_answer(head, request.method)
        async for piece in body.read(reader):
            await passing.body(piece)
        await passing.end()
        return not body.to_the_end and not head.closes


class _Passing:
    """An answer on its way to the driver, of which a failure may take the rest."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, failure: Failure | None
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._action = failure.action if failure else ""
        self._left = failure.after if failure else 0

    async def interim(self, head: bytes) -> None:
        if self._action != "cut answer":
            await self._pass(head)

    async def head(self, head: bytes) -> None:
        if self._action == "drop answer":
            return
        if self._action == "truncate":
            await self._pass(head)
        else:
            await self.body(head)

    async def body(self, piece: bytes) -> None:
        if self._action == "drop answer":
            return
        if self._action not in {"cut answer", "stall answer", "truncate"}:
            await self._pass(piece)
            return
        await self._pass(piece[: self._left])
        self._left -= len(piece)
        if self._left <= 0:
            await self._stop()

    async def end(self) -> None:
        if self._action == "drop answer":
            raise ConnectionResetError("answer dropped")

    async def _pass(self, piece: bytes) -> None:
        self._writer.write(piece)
        await self._writer.drain()

    async def _stop(self) -> None:
        if self._action == "stall answer":
            await _given_up(self._reader)
        if self._action == "truncate":
            raise _Over
        raise ConnectionResetError("answer cut")


def _has_ended(reader: asyncio.StreamReader) -> bool:
    """Whether the driver ended this connection, in good order or with a reset."""
    return reader.at_eof() or reader.exception() is not None


async def _given_up(reader: asyncio.StreamReader) -> None:
    """Wait until the driver ends its connection."""
    while await reader.read(_PIECE):
        pass


async def _end(*tasks: asyncio.Future[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _reset(writer: asyncio.StreamWriter) -> None:
    """End a connection as a crash of the peer does: with a reset, not with an end."""
    if writer.transport.is_closing():
        return
    connection = writer.get_extra_info("socket")
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
