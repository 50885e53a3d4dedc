"""A server in this process: half the memory and start-up time of a parent with one worker."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Coroutine
from typing import Any

from granian.constants import Interfaces
from granian.server.embed import Server
from starlette.applications import Starlette
from starlette.types import ASGIApp

_LOG = logging.getLogger("entrepot.server")
_STOPPING = (signal.SIGTERM, signal.SIGINT)


def serve(app: Starlette, outer: ASGIApp, settings: dict[str, Any], drain: float) -> None:
    """Serve `outer`, which leads to `app`, until a signal says to stop.

    Requests under way then have `drain` seconds to finish.
    """
    _run(_serve(app, outer, settings, drain))


async def _serve(app: Starlette, outer: ASGIApp, settings: dict[str, Any], drain: float) -> None:
    async with app.router.lifespan_context(app):
        # the lifespan is entered here, so that what keeps it from starting is raised here
        server = Server(outer, interface=Interfaces.ASGINL, backlog=1024, **settings)
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in _STOPPING:
            loop.add_signal_handler(number, stop.set)
        serving = asyncio.create_task(server.serve())
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        server.stop()  # type: ignore[no-untyped-call]  # granian's
        await asyncio.wait([serving], timeout=drain)
        if not serving.done():
            _LOG.warning("breaking off what is still under way after %g seconds", drain)
            logging.getLogger("_granian").setLevel(logging.CRITICAL)  # it would name each of them
            serving.cancel()


def _run(main: Coroutine[Any, Any, None]) -> None:
    if sys.platform == "win32":
        asyncio.run(main)
        return
    import uvloop  # noqa: PLC0415 - it does not exist everywhere

    uvloop.run(main)
