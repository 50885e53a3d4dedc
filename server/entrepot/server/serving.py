"""The registry served as a configuration says: by this process, or by several workers."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack

from entrepot.core.configuration import Configuration
from entrepot.core.plugins import Plugins
from entrepot.server.acme.certified import certified
from entrepot.server.logs import set_up_logging
from entrepot.server.memory import keep_freed_pieces
from entrepot.server.servers.choosing import material, speaks_tls
from entrepot.server.servers.here import Place, serve_here
from entrepot.server.servers.settings import open_many_files
from entrepot.server.servers.sockets import listen, listen_debug

_LOG = logging.getLogger("entrepot.server")


def serve(configuration: Configuration, plugins: Plugins, ready: Callable[[], None]) -> None:
    """Serve until a signal says to stop; `ready` is called when requests are answered.

    One worker is this process itself. Several are started anew, never forked: clients of
    storage backends do not survive a fork.

    Raises ConfigurationError: if an address cannot be listened on, or a certificate cannot be
    used; RegistryError: if the registry cannot be opened.
    """
    set_up_logging(configuration)
    keep_freed_pieces()
    open_many_files()
    with ExitStack() as stack:
        configuration = stack.enter_context(certified(configuration))
        shown = material(configuration)
        main = stack.enter_context(listen(configuration))
        addr = configuration.http.debug.addr
        debug = stack.enter_context(listen_debug(addr)).of(0) if addr else None

        def listening() -> None:
            ready()
            tls = ", tls" if speaks_tls(configuration.http.tls) else ""
            _LOG.info("listening on %s%s", main.shown, tls)

        if configuration.http.workers == 1:
            serve_here(configuration, plugins, Place(main.of(0), shown, debug), listening)
        else:
            # processes need more than one does
            from entrepot.server.servers.workers import serve_by_workers  # noqa: PLC0415

            serve_by_workers(configuration, main, shown, debug, listening)
