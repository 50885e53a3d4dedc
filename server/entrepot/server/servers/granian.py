"""A listener on Granian: HTTP/1.1 and HTTP/2, TLS by rustls, files sent without Python."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
from contextlib import suppress
from typing import Any

from granian._granian import SocketHolder
from granian.constants import HTTPModes, Interfaces, SSLProtocols
from granian.http import HTTP1Settings, HTTP2Settings
from granian.log import LogLevels
from granian.server.embed import Server
from starlette.types import ASGIApp

from entrepot.server.body import CHUNK
from entrepot.server.servers.doorway import Doorway
from entrepot.server.servers.files import MaterialFiles
from entrepot.server.servers.idle import Peer, end_idle
from entrepot.server.servers.listener import Listener
from entrepot.server.servers.material import Material
from entrepot.server.servers.settings import HEADER_SECONDS, Settings
from entrepot.server.servers.sockets import BACKLOG

_LOG = logging.getLogger("entrepot.server")
_BUFFER = 2 * CHUNK  # bytes received in one piece at most; each costs the same way through Python
_HEADERS = 64 * 1024  # bytes of the headers of a request in HTTP/2
_FRAME = CHUNK  # bytes; Go's clients send what they are allowed to, others 16 KiB
_STREAM, _CONNECTION = 4 * CHUNK, 8 * CHUNK  # bytes that may wait to be read
_STREAMS = 128  # requests at once on a connection of HTTP/2
_LEAVING = 10.0  # seconds in which clients are asked to connect anew, before idle ones must
_IP_FREEBIND = 15  # ip(7): bind to an address that is not ours
_NOWHERE = "192.0.2.1"  # for documentation only. Source: RFC 5737
_LOGS: dict[str, Any] = {
    "loggers": {"_granian": {"handlers": [], "propagate": True}}
}  # go where ours go


class _Server(Server):
    """Granian's, on a socket that is open already, with TLS from memory."""

    def __init__(self, app: Doorway, settings: Settings, files: MaterialFiles | None) -> None:
        self._descriptor = os.dup(settings.socket.fileno())
        self._is_path = settings.socket.family == socket.AF_UNIX
        super().__init__(
            app,
            interface=Interfaces.ASGINL,
            http=HTTPModes.auto if settings.http2 else HTTPModes.http1,
            websockets=False,
            backlog=BACKLOG,
            backpressure=settings.room.connections,
            http1_settings=HTTP1Settings(
                header_read_timeout=round(HEADER_SECONDS * 1000), max_buffer_size=_BUFFER
            ),
            http2_settings=HTTP2Settings(
                initial_connection_window_size=_CONNECTION,
                initial_stream_window_size=_STREAM,
                max_concurrent_streams=_STREAMS,
                max_frame_size=_FRAME,
                max_headers_size=_HEADERS,
            ),
            log_level=LogLevels.error,
            log_dictconfig=_LOGS,
            log_access=False,
        )
        if files is not None:
            self.ssl_ctx: tuple[Any, ...] = _tls(settings, files)

    def _init_shared_socket(self) -> None:
        holder: Any = SocketHolder
        self._shd: Any = holder(self._descriptor, self._is_path, BACKLOG)
        self._ssp = None

    def take_no_more(self) -> None:
        """Have this server, which goes on, find no new connection any more.

        Stopping it would break those off whose handshake is under way. So its descriptor is
        made one of a socket that nobody can reach; others that share the queue are not touched.
        """
        if sys.platform != "linux" or self._is_path:
            return
        with suppress(OSError), socket.socket() as unreachable:
            unreachable.setblocking(False)
            unreachable.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
            unreachable.bind((_NOWHERE, 0))
            unreachable.listen(1)
            os.dup2(unreachable.fileno(), self._descriptor, inheritable=False)


def _tls(settings: Settings, files: MaterialFiles) -> tuple[Any, ...]:
    """What `Server.build_ssl_context` makes of its arguments."""
    oldest = SSLProtocols.tls13 if settings.oldest == "tls1.3" else SSLProtocols.tls12
    verify = settings.verify == "require"
    authorities = files.authorities if verify else None
    return True, files.chain, files.key, None, str(oldest), authorities, [], verify


class _Serving:
    """One server at work; a renewal puts another one beside it."""

    def __init__(self, app: Doorway, settings: Settings, material: Material | None) -> None:
        self._doorway = app
        self._files = MaterialFiles(material) if material else None
        self._server = _Server(app, settings, self._files)
        self._stopped = asyncio.Event()
        self.task = asyncio.create_task(self._serve())

    async def _serve(self) -> None:
        try:
            await self._server.serve()
        finally:
            if self._files is not None:
                self._files.close()

    def stop(self) -> None:
        self._stopped.set()
        self._server.stop()  # type: ignore[no-untyped-call]  # granian's

    def take_no_more(self) -> None:
        """Leave new connections to others, and ask clients to connect anew."""
        if not self.task.done():
            self._server.take_no_more()
        self._doorway.is_leaving = True

    async def leave(self) -> None:
        """Stop when clients had time to go elsewhere; requests under way end in peace."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_LEAVING):
                await self._stopped.wait()
        self.stop()
        await self.task


class GranianListener(Listener):
    """Serves `app`; without `material` in the clear."""

    def __init__(self, app: ASGIApp, settings: Settings, material: Material | None) -> None:
        self._app = app
        self._settings = settings
        self._material = material
        self._busy: dict[Peer, int] = {}
        self._leaving: dict[asyncio.Task[None], _Serving] = {}

    async def start(self) -> None:
        self._serving = self._serve()
        settings = self._settings
        self._ending = asyncio.create_task(end_idle(settings.socket, self._busy, settings.room))

    def _serve(self) -> _Serving:
        return _Serving(Doorway(self._app, self._busy), self._settings, self._material)

    async def renew(self, material: Material) -> None:
        """The new server takes all connections from now on, from the same queue."""
        self._material = material
        old, self._serving = self._serving, self._serve()
        old.take_no_more()
        leaving = asyncio.create_task(old.leave())
        self._leaving[leaving] = old
        leaving.add_done_callback(self._leaving.pop)

    async def wait(self) -> None:
        while not self._serving.task.done():
            await asyncio.wait([self._serving.task])

    async def stop(self, seconds: float) -> None:
        self._ending.cancel()
        self._settings.socket.close()
        for one in (self._serving, *self._leaving.values()):
            one.stop()
        ending = {self._serving.task, *self._leaving}
        _, late = await asyncio.wait(ending, timeout=seconds)
        if late:
            _LOG.warning("breaking off what is still under way after %g seconds", seconds)
            logging.getLogger("_granian").setLevel(logging.CRITICAL)  # it would name each of them
        for task in late:
            task.cancel()
