"""What stands between a server and the application: who has a request, and who is to leave."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from entrepot.server.servers.idle import Peer, peer

_LEAVE = (b"connection", b"close")


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
        if scope["http_version"] == "2" and scope["method"] == "HEAD":
            send = _bodiless(send)
        self._busy[client] = self._busy.get(client, 0) + 1
        try:
            await self._app(scope, receive, self._last(scope, send) if self.is_leaving else send)
        finally:
            left = self._busy[client] - 1
            if left:
                self._busy[client] = left
            else:
                del self._busy[client]

    def _last(self, scope: Scope, send: Send) -> Send:
        if not scope["http_version"].startswith("1"):
            return send

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], _LEAVE]
            await send(message)

        return sending


def _bodiless(send: Send) -> Send:
    """An answer to HEAD without its body, which Granian leaves away in HTTP/1.1 only."""

    async def sending(message: Message) -> None:
        if message.get("body"):
            message["body"] = b""
        await send(message)

    return sending
