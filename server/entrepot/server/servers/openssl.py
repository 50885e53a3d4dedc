"""A listener on uvicorn, with TLS by OpenSSL: it knows who the client is. HTTP/1.1 only.

It is slower than Granian, and serves what that cannot: certificates of clients that may be
missing, or that the registry has to know, and a choice of cipher suites.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from contextlib import suppress

from starlette.types import ASGIApp
from uvicorn.config import Config

from entrepot.server.servers.doorway import Doorway
from entrepot.server.servers.files import MaterialFiles
from entrepot.server.servers.idle import Peer, end_idle
from entrepot.server.servers.listener import Listener
from entrepot.server.servers.material import Material
from entrepot.server.servers.protocol import Protocol, State
from entrepot.server.servers.settings import HEADER_SECONDS, Settings
from entrepot.server.servers.sockets import BACKLOG

_LOG = logging.getLogger("entrepot.server")
_HANDSHAKE_SECONDS = 10.0
_SHUTDOWN_SECONDS = 5.0
_VERIFY = {"require": ssl.CERT_REQUIRED, "optional": ssl.CERT_OPTIONAL}


def context(settings: Settings, material: Material) -> ssl.SSLContext:
    """Raises ssl.SSLError: if OpenSSL knows none of the cipher suites."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    oldest = ssl.TLSVersion.TLSv1_3 if settings.oldest == "tls1.3" else ssl.TLSVersion.TLSv1_2
    made.minimum_version = oldest
    made.options |= ssl.OP_NO_RENEGOTIATION
    made.set_alpn_protocols(["http/1.1"])
    if settings.suites:
        made.set_ciphers(":".join(settings.suites))
    with MaterialFiles(material) as files:
        made.load_cert_chain(files.chain, files.key)
    if settings.verify:
        made.load_verify_locations(cadata=material.authorities.decode("ascii"))
        made.verify_mode = _VERIFY[settings.verify]
    return made


class OpensslListener(Listener):
    """Serves `app` over TLS."""

    def __init__(self, app: ASGIApp, settings: Settings, material: Material) -> None:
        self._settings = settings
        self._context = context(settings, material)
        self._busy: dict[Peer, int] = {}
        self._state = State(settings.room.connections)
        self._config = Config(
            Doorway(app, self._busy),
            http=Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            interface="asgi3",
            proxy_headers=False,
            timeout_keep_alive=round(HEADER_SECONDS),
        )
        self._ended = asyncio.Event()

    async def start(self) -> None:
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
        self._config.load()
        self._server = await self._listen()
        settings = self._settings
        self._ending = asyncio.create_task(end_idle(settings.socket, self._busy, settings.room))

    async def _listen(self) -> asyncio.Server:
        def connected() -> Protocol:
            return Protocol(self._config, self._state, {})

        return await asyncio.get_running_loop().create_server(
            connected,
            sock=self._settings.socket.dup(),
            backlog=BACKLOG,
            ssl=self._context,
            ssl_handshake_timeout=_HANDSHAKE_SECONDS,
            ssl_shutdown_timeout=_SHUTDOWN_SECONDS,
        )

    async def renew(self, material: Material) -> None:
        """Connections that are open keep what they were opened with; no session is resumed."""
        self._context = context(self._settings, material)
        old, self._server = self._server, await self._listen()
        old.close()

    async def wait(self) -> None:
        await self._ended.wait()

    async def stop(self, seconds: float) -> None:
        self._ending.cancel()
        self._settings.socket.close()
        self._server.close()
        for one in list(self._state.connections):
            one.shutdown()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._state.empty.wait()
        if self._state.connections:
            _LOG.warning("breaking off what is still under way after %g seconds", seconds)
            logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        for task in list(self._state.tasks):
            task.cancel()
        for one in list(self._state.connections):
            one.transport.abort()
        self._ended.set()
