"""Listeners of both kinds in the event loop of a test, and plain connections to them."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from starlette.types import Message, Receive, Scope, Send
from tests.tools.authority import Authority, Pair

from entrepot.server.servers.granian import GranianListener
from entrepot.server.servers.idle import Room
from entrepot.server.servers.listener import Listener
from entrepot.server.servers.material import Material
from entrepot.server.servers.openssl import OpensslListener
from entrepot.server.servers.settings import Settings

KINDS = ("granian", "granian-tls", "openssl")
AUTHORITY = Authority()
SECONDS = 20.0


def material(pair: Pair | None = None, authorities: bytes = AUTHORITY.pem) -> Material:
    pair = pair or AUTHORITY.sign()
    now = datetime.now(UTC)
    return Material(pair.chain, pair.key_text(), authorities, "CN=x", now, now, everywhere=True)


@dataclass
class Echo:
    """Tells how much came; `/wait` answers when `go` is set, `/large` with much.

    `/refuse` answers without a look at the body.
    """

    go: asyncio.Event = field(default_factory=asyncio.Event)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    scopes: list[Scope] = field(default_factory=list[Scope])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        self.arrived.set()
        if scope["path"] == "/wait":
            await self.go.wait()
        if scope["path"] == "/refuse":
            await self._answer(send, b"no\n", 404)
            return
        size = 0
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.left.set()
                return
            size += len(message.get("body", b""))
            more = message.get("more_body", False)
        large = scope["path"] == "/large"
        await self._answer(send, bytes(50_000_000) if large else f"{size}\n".encode())

    async def _answer(self, send: Send, body: bytes, status: int = 200) -> None:
        length = (b"content-length", str(len(body)).encode())
        start: Message = {"type": "http.response.start", "status": status, "headers": [length]}
        await send(start)
        await send({"type": "http.response.body", "body": body})


@dataclass
class Running:
    """A listener at work."""

    listener: Listener
    echo: Echo
    port: int
    tls: bool

    def connect(
        self, context: ssl.SSLContext | None = None, session: ssl.SSLSession | None = None
    ) -> socket.socket:
        """A connection, in TLS if the listener speaks it. Blocks: call it in a thread."""
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=SECONDS)
        if not self.tls:
            return plain
        context = context or AUTHORITY.context()
        return context.wrap_socket(plain, server_hostname="127.0.0.1", session=session)

    def ask(
        self,
        request: bytes,
        context: ssl.SSLContext | None = None,
        session: ssl.SSLSession | None = None,
    ) -> bytes:
        """All that is answered to a request that ends the connection."""
        with self.connect(context, session) as connection:
            connection.sendall(request)
            return content(connection)


def content(connection: socket.socket) -> bytes:
    """All that comes until the other side ends."""
    said = b""
    try:
        while piece := connection.recv(65536):
            said += piece
    except ConnectionResetError:
        pass
    return said


@asynccontextmanager
async def running(
    kind: str, *, connections: int = 64, **keys: Any
) -> AsyncGenerator[Running, None]:
    """A listener of a kind, with other settings than usual."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
        listening.setblocking(False)
        settings = replace(Settings(listening, Room(connections, 300.0)), **keys)
        echo = Echo()
        shown = material() if kind != "granian" else None
        listener: Listener
        if kind == "openssl":
            listener = OpensslListener(echo, settings, material())
        else:
            listener = GranianListener(echo, settings, shown)
        port = listening.getsockname()[1]
        await listener.start()
        try:
            yield Running(listener, echo, port, kind != "granian")
        finally:
            echo.go.set()
            await listener.stop(5)
