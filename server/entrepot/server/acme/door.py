"""Where an authority asks whether a host is this server: http-01, over plain HTTP.

Source: RFC 8555, section 8.3.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from threading import Event, Thread

from starlette.datastructures import URL
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from entrepot.core.configuration import Address
from entrepot.core.errors import ConfigurationError
from entrepot.server.acme.cache import Cache
from entrepot.server.servers.choosing import debug_listener

_LOG = logging.getLogger("entrepot.server.acme")
_PATH = "/.well-known/acme-challenge/"
_GRACE = 1.0  # seconds for questions under way when the server stops


class Door:
    """Answers from the cache: any process may be asked, whichever ordered the certificate.

    Whoever asks for something else, of one of the hosts, is sent to HTTPS.
    """

    def __init__(self, cache: Cache, hosts: Sequence[str]) -> None:
        self._cache = cache
        self._hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await (await self._response(Request(scope)))(scope, receive, send)

    async def _response(self, request: Request) -> Response:
        if request.method not in ("GET", "HEAD"):
            return PlainTextResponse("HTTPS is wanted\n", 400)
        path: str = request.scope["path"]
        if path.startswith(_PATH):
            token = path.removeprefix(_PATH)
            answer = await asyncio.to_thread(self._cache.answer, token)
            return Response(answer) if answer is not None else PlainTextResponse("", 404)
        if _host(request) not in self._hosts:
            return PlainTextResponse("", 404)
        return RedirectResponse(request.url.replace(scheme="https", port=None), 302)


def _host(request: Request) -> str:
    """The host that is asked, in lower case; empty: none, or a damaged one."""
    try:
        return (URL(f"http://{request.headers.get('host', '')}").hostname or "").lower()
    except ValueError:
        return ""


@contextmanager
def open_door(app: ASGIApp, address: Address) -> Generator[int, None, None]:
    """Serve in a thread until the context is left; gives the port.

    Raises ConfigurationError: if the address cannot be listened on.
    """
    with _listening(address) as listening:
        serving = _Serving(app, listening)
        serving.start()
        try:
            yield listening.getsockname()[1]
        finally:
            serving.stop()


class _Serving:
    """A listener in an event loop of its own: it serves before the registry does."""

    def __init__(self, app: ASGIApp, listening: socket.socket) -> None:
        self._app = app
        self._socket = listening
        self._serves = Event()
        self._error: Exception | None = None
        self._thread = Thread(target=self._run, name="acme door", daemon=True)

    def start(self) -> None:
        """Returns when it serves. Raises whatever keeps it from that."""
        self._thread.start()
        self._serves.wait()
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        with contextlib.suppress(RuntimeError):  # it has ended by itself
            self._loop.call_soon_threadsafe(self._told.set)
        self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as error:
            self._error = error
            _LOG.exception("nobody answers the ACME authority any more")
        finally:
            self._serves.set()

    async def _serve(self) -> None:
        self._loop, self._told = asyncio.get_running_loop(), asyncio.Event()
        listener = debug_listener(self._app, self._socket)
        await listener.start()
        self._serves.set()
        await self._told.wait()
        await listener.stop(_GRACE)


def _listening(address: Address) -> socket.socket:
    key = "http.tls.letsencrypt.httpaddr"
    try:
        if not address.host and socket.has_dualstack_ipv6():
            family, dual = socket.AF_INET6, True
        else:
            family, dual = (socket.AF_INET6 if ":" in address.host else socket.AF_INET), False
        made = socket.create_server(
            (address.host, address.port), family=family, dualstack_ipv6=dual
        )
    except OSError as error:
        number = error.errno or 0  # what Python adds to its text is in the line already
        reason = os.strerror(number) if number > 0 else error.strerror or str(error)
        raise ConfigurationError(
            f"{key}: cannot listen on {address}: {reason}; the authority asks there, through "
            "port 80 of each host"
        ) from error
    made.setblocking(False)
    return made
