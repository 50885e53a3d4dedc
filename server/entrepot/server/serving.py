"""The registry on Granian: workers, limits of the server, a graceful end."""

from __future__ import annotations

import logging
import multiprocessing
import os
from pathlib import Path
from typing import Any

from granian.constants import HTTPModes, Interfaces, Loops
from granian.errors import FatalError
from granian.http import HTTP1Settings, HTTP2Settings
from granian.log import LogLevels
from granian.server import Server
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from entrepot.core.configuration import Configuration, load
from entrepot.server.app import CONFIGURATION_PATH, create_app
from entrepot.server.body import CHUNK
from entrepot.server.listening import free_address, free_path
from entrepot.server.logs import AccessLog, set_up_logging

_LOG = logging.getLogger("entrepot.server")
_HEADER_SECONDS = 30  # a client that takes longer to send its headers is cut off


def worker() -> ASGIApp:
    """What each worker process serves; it loads the configuration as its parent did."""
    configuration = load(os.environ.get(CONFIGURATION_PATH), os.environ).configuration
    set_up_logging(configuration)
    app: ASGIApp = create_app(configuration)
    if not configuration.log.accesslog.disabled:
        app = AccessLog(app)
    return brief_lifespan(app)


def serve(configuration: Configuration) -> None:
    """Serve until a signal says to stop.

    Workers are spawned, never forked: clients of storage backends do not survive a fork.

    Raises OSError: if the address cannot be listened on; SystemExit: if a worker failed.
    """
    multiprocessing.set_start_method("spawn", force=True)
    try:
        Server(**_arguments(configuration)).serve()
    except FatalError as error:
        raise SystemExit(1) from error


def _arguments(configuration: Configuration) -> dict[str, Any]:
    http = configuration.http
    return _where(configuration) | {
        "target": "entrepot.server.serving:worker",
        "factory": True,
        "interface": Interfaces.ASGI,
        "http": HTTPModes.auto if http.h2c.enabled else HTTPModes.http1,
        "loop": Loops.auto,
        "websockets": False,
        "workers": http.workers,
        "workers_kill_timeout": max(1, round(http.draintimeout.seconds)),
        "http1_settings": HTTP1Settings(
            header_read_timeout=_HEADER_SECONDS * 1000, max_buffer_size=CHUNK
        ),
        "http2_settings": HTTP2Settings(max_concurrent_streams=128, max_headers_size=64 * 1024),
        "log_level": LogLevels.warning,
        "log_access": False,
    }


def _where(configuration: Configuration) -> dict[str, Any]:
    address = configuration.http.address
    if address is None:
        free_path(configuration.http.addr)
        return {"uds": Path(configuration.http.addr)}
    host, port = free_address(address)
    return {"address": host, "port": port}


def brief_lifespan(app: ASGIApp) -> ASGIApp:
    """The same application, whose failure to start is told in its last line alone."""

    async def briefly(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await app(scope, receive, send)
            return

        async def sending(message: Message) -> None:
            if message["type"].endswith(".failed"):
                lines = message.get("message", "").strip().splitlines()
                message = {**message, "message": lines[-1] if lines else "start failed"}
            await send(message)

        await app(scope, receive, sending)

    return briefly
