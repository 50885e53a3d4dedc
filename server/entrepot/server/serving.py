"""The registry on Granian: in this process, or in several workers."""

from __future__ import annotations

import logging
import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

from granian.constants import HTTPModes, Interfaces
from granian.errors import FatalError
from granian.http import HTTP1Settings, HTTP2Settings
from granian.log import LogLevels
from granian.server import Server
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from entrepot.core.configuration import Configuration, load
from entrepot.core.errors import RegistryError
from entrepot.core.plugins import Plugins, disabled_by, load_plugins
from entrepot.server import alone
from entrepot.server.app import CONFIGURATION_PATH, create_app
from entrepot.server.body import CHUNK
from entrepot.server.listening import free_address, free_path, when_answering
from entrepot.server.logs import logged, set_up_logging
from entrepot.server.memory import keep_freed_pieces

_LOG = logging.getLogger("entrepot.server")
_HEADER_SECONDS = 30  # a client that takes longer to send its headers is cut off
_BUFFER = 2 * CHUNK  # bytes received in one piece at most; each costs the same way through Python
_LOGS: dict[str, Any] = {
    "loggers": {"_granian": {"handlers": [], "propagate": True}}
}  # go where ours go


def serve(
    configuration: Configuration, plugins: Plugins, path: Path | None, ready: Callable[[], None]
) -> None:
    """Serve until a signal says to stop; `ready` is called when the first answer came.

    One worker is this process itself. Several are spawned, never forked: clients of storage
    backends do not survive a fork. They read the configuration again, from the file `path`.

    Raises OSError: if the address cannot be listened on; StorageError: if the store cannot be
    used; SystemExit: if a worker failed.
    """
    set_up_logging(configuration)
    keep_freed_pieces()
    where = _where(configuration)

    def listening() -> None:
        ready()
        _LOG.info("listening on %s", _shown(where, configuration))

    Thread(target=when_answering, args=(where, listening), daemon=True).start()
    settings = where | _settings(configuration)
    if configuration.http.workers == 1:
        app = create_app(configuration, plugins)
        drain = configuration.http.draintimeout.seconds
        alone.serve(app, logged(app, configuration), settings, drain)
    else:
        if path is not None:
            os.environ[CONFIGURATION_PATH] = str(path)
        _serve_workers(configuration, settings)


def worker() -> ASGIApp:
    """What each worker process serves; it loads the configuration as its parent did."""
    plugins = load_plugins(disabled_by(os.environ))
    path = os.environ.get(CONFIGURATION_PATH)
    configuration = load(path, os.environ, plugins.models).configuration
    set_up_logging(configuration)
    keep_freed_pieces()
    return brief_lifespan(logged(create_app(configuration, plugins), configuration))


def brief_lifespan(app: ASGIApp) -> ASGIApp:
    """The same application, whose failure to start is told in one line, without a traceback."""

    async def briefly(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await app(scope, receive, send)
            return

        async def sending(message: Message) -> None:
            if message["type"].endswith(".failed"):
                message = {"type": message["type"]}
            await send(message)

        try:
            await app(scope, receive, sending)
        except Exception as error:
            trace = None if isinstance(error, RegistryError) else error
            _LOG.error("cannot start: %s", error, exc_info=trace)

    return briefly


def _serve_workers(configuration: Configuration, settings: dict[str, Any]) -> None:
    multiprocessing.set_start_method("spawn", force=True)
    server = Server(
        "entrepot.server.serving:worker",
        factory=True,
        interface=Interfaces.ASGI,
        workers=configuration.http.workers,
        workers_kill_timeout=max(1, round(configuration.http.draintimeout.seconds)),
        **settings,
    )
    try:
        server.serve()
    except FatalError as error:
        raise SystemExit(1) from error


def _settings(configuration: Configuration) -> dict[str, Any]:
    return {
        "http": HTTPModes.auto if configuration.http.h2c.enabled else HTTPModes.http1,
        "websockets": False,
        "http1_settings": HTTP1Settings(
            header_read_timeout=_HEADER_SECONDS * 1000, max_buffer_size=_BUFFER
        ),
        "http2_settings": HTTP2Settings(max_concurrent_streams=128, max_headers_size=64 * 1024),
        "log_level": LogLevels.error,
        "log_dictconfig": _LOGS,
        "log_access": False,
    }


def _shown(where: dict[str, Any], configuration: Configuration) -> str:
    """Where, in the words of Distribution's message."""
    if "uds" in where:
        return str(where["uds"])
    host, port = where["address"], where["port"]
    tls = ", tls" if configuration.http.tls.certificate else ""
    return f"[{host}]:{port}{tls}" if ":" in host else f"{host}:{port}{tls}"


def _where(configuration: Configuration) -> dict[str, Any]:
    address = configuration.http.address
    if address is None:
        free_path(configuration.http.addr)
        return {"uds": Path(configuration.http.addr)}
    host, port = free_address(address)
    return {"address": host, "port": port}
