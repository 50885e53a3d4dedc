"""A connection on uvicorn: who the client is, and how long and how much it may talk."""

from __future__ import annotations

import asyncio
import time
from email.utils import formatdate
from typing import Any

from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from entrepot.core.access import ClientCertificate
from entrepot.server.servers.settings import HEADER_SECONDS

CERTIFICATE = "entrepot.certificate"
"""The key of a request's scope with the `ClientCertificate` of who sent it, if it has one."""

_BYTES = 64 * 1024  # of a request line and its headers
_HEADERS = 100
_TOO_LARGE = b"HTTP/1.1 431 Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


def presented(certificate: dict[str, Any] | None) -> ClientCertificate | None:
    """What `ssl` tells of a verified certificate; it tells nothing if there was none."""
    if not certificate:
        return None
    pairs = [pair for name in certificate.get("subject", ()) for pair in name]
    names = [value for key, value in pairs if key == "commonName"]
    others = tuple(
        value
        for kind, value in certificate.get("subjectAltName", ())
        if kind in {"DNS", "email", "URI"}
    )
    return ClientCertificate(names[-1] if names else "", others)


class State(ServerState):
    """What all connections share; `empty` is set while there are none."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most
        self.empty = asyncio.Event()
        self.empty.set()
        self._second = 0

    def tell_date(self) -> None:
        """Keep the Date header right. Source: RFC 9110 section 6.6.1."""
        second = int(time.time())
        if second != self._second:
            self._second = second
            self.default_headers[:] = [(b"date", formatdate(second, usegmt=True).encode())]


class Protocol(HttpToolsProtocol):
    """One connection."""

    app: Any
    server_state: State

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.server_state.empty.clear()
        connection = transport.get_extra_info("ssl_object")
        self._certificate = presented(connection.getpeercert() if connection else None)
        self._received = 0  # bytes since the current request began
        self._served = self.app
        self._timer: asyncio.TimerHandle | None = None
        self._begin_head()
        if len(self.connections) > self.server_state.most:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_head()
        super().connection_lost(exc)
        if not self.connections:
            self.server_state.empty.set()

    def data_received(self, data: bytes) -> None:
        if self._timer is not None:
            self._received += len(data)
        super().data_received(data)
        if self._timer is not None and self._received > _BYTES:
            self.transport.write(_TOO_LARGE)
            self.transport.close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._certificate is not None:
            scope: Any = self.scope
            scope[CERTIFICATE] = self._certificate
        if self._timer is None:
            self._begin_head()

    def on_headers_complete(self) -> None:
        self._end_head()
        self.server_state.tell_date()
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        is_small = size <= _BYTES and len(self.headers) <= _HEADERS
        self.app = self._served if is_small else _refuse
        super().on_headers_complete()

    def _begin_head(self) -> None:
        self._received = 0
        self._timer = self.loop.call_later(HEADER_SECONDS, self._too_late)

    def _end_head(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_late(self) -> None:
        self.transport.abort()


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    told = PlainTextResponse("URL and headers are too large\n", 431, {"Connection": "close"})
    await told(scope, receive, send)
