"""A receiver of events that answers as a test wants it to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def status(number: int, *headers: str) -> bytes:
    lines = "".join(f"{header}\r\n" for header in headers)
    return f"HTTP/1.1 {number} Told\r\n{lines}Content-Length: 0\r\n\r\n".encode()


@dataclass(frozen=True, slots=True)
class Request:
    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        """The one event of an envelope."""
        (event,) = json.loads(self.body)["events"]
        found: dict[str, Any] = event
        return found


@dataclass
class Receiver:
    """Answers requests with `script`, one after another, and with 200 behind its end.

    An answer is bytes, sent as they are; None: none at all, the connection stays open.
    """

    script: list[bytes | None] = field(default_factory=list[bytes | None])
    requests: list[Request] = field(default_factory=list[Request])
    connections: int = 0
    at_once: int = 0
    most_at_once: int = 0
    url: str = ""
    _came: asyncio.Event = field(default_factory=asyncio.Event)
    _hung: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def tags(self) -> list[str]:
        """The tags of the events taken, refused ones included."""
        return [request.event["target"].get("tag", "") for request in self.requests]

    async def until(self, number: int) -> None:
        """Wait until so many requests came. Raises TimeoutError."""
        async with asyncio.timeout(10):
            while len(self.requests) < number:
                self._came.clear()
                await self._came.wait()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while request := await _read(reader):
                self.at_once += 1
                self.most_at_once = max(self.most_at_once, self.at_once)
                answer = self.script.pop(0) if self.script else OK
                self.requests.append(request)
                self._came.set()
                if answer is None:
                    await self._hung.wait()
                    return
                self.at_once -= 1
                writer.write(answer)
                await writer.drain()
                if not answer.startswith(b"HTTP/1.1") or b"close" in answer:
                    return
        except ConnectionError:
            pass
        finally:
            writer.close()

    def let_go(self) -> None:
        """End the connections that were left without an answer."""
        self._hung.set()


async def _read(reader: asyncio.StreamReader) -> Request | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
    except asyncio.IncompleteReadError:
        return None
    line, *rest = head.rstrip().split("\r\n")
    headers = {name.lower(): value for name, _, value in (one.partition(": ") for one in rest)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(line, headers, body)


@asynccontextmanager
async def open_receiver(script: Sequence[bytes | None] = ()) -> AsyncGenerator[Receiver, None]:
    receiver = Receiver(list(script))
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    try:
        yield receiver
    finally:
        receiver.let_go()
        server.close()
