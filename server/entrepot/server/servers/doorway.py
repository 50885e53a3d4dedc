"""What stands between a server and the application: who has a request, and who is to leave."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from entrepot.server.servers.idle import Peer, peer

_DISCARDING = 10.0  # seconds
_WITH_BODY = frozenset({"PATCH", "POST", "PUT"})
_LEAVE = (b"connection", b"close")
_UNREAD = 256 * 1024  # bytes of a refused body that are read to keep a connection, as Go does


class Doorway:
    """Leads to an application; `busy` counts the requests of each client that has any.

    Once `is_leaving`, each answer of HTTP/1 asks its client to connect anew for the next one.
    """

    def __init__(self, app: ASGIApp, busy: dict[Peer, int]) -> None:
        self._app = app
        self._busy = busy
        self.is_leaving = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = scope.get("client")
        if given is None:
            await self._app(scope, receive, send)
            return
        client = peer(*given)
        if client[0] is not given[0]:
            scope["client"] = client
        app = self._app if scope["http_version"] != "2" else self._framed
        if scope["http_version"].startswith("1"):
            if self.is_leaving:
                send = _leaving(send)
            elif scope["method"] in _WITH_BODY and _is_long(scope):
                send = _leaving(send, 400)
        self._busy[client] = self._busy.get(client, 0) + 1
        try:
            await app(scope, receive, send)
        finally:
            left = self._busy[client] - 1
            if left:
                self._busy[client] = left
            else:
                del self._busy[client]

    async def _framed(self, scope: Scope, receive: Receive, send: Send) -> None:
        """What Granian does only in HTTP/1: no body after HEAD, the rest of a request's read.

        A stream whose request is not read to its end is reset, and its answer may be lost.
        """
        if scope["method"] == "HEAD":
            await self._app(scope, receive, _bodiless(send))
        elif scope["method"] in _WITH_BODY:
            rest = _Rest(receive)
            await self._app(scope, rest.receive, send)
            await rest.discard()
        else:
            await self._app(scope, receive, send)


def _leaving(send: Send, least: int = 0) -> Send:
    """Answers of status `least` and above ask the client to connect anew for its next request."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] >= least:
            message["headers"] = [*message["headers"], _LEAVE]
        await send(message)

    return sending


def _is_long(scope: Scope) -> bool:
    """Whether a body may be so long that the connection is broken off if nobody reads it.

    The client has to be told of that, or its next request is lost.
    """
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) > _UNREAD
        if name == b"transfer-encoding":
            return True
    return False


def _bodiless(send: Send) -> Send:
    """An answer to HEAD without its body, which Granian leaves away in HTTP/1.1 only."""

    async def sending(message: Message) -> None:
        if message.get("body"):
            message["body"] = b""
        await send(message)

    return sending


class _Rest:
    """What comes of a body after the application has answered."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._ended = False

    async def receive(self) -> Message:
        message = await self._receive()
        self._ended = not message.get("more_body", False)
        return message

    async def discard(self) -> None:
        """Read it to its end, or for some seconds: clients stop when they have an answer."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_DISCARDING):
                while not self._ended:
                    await self.receive()
