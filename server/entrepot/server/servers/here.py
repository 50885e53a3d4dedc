"""The registry served by this process, until somebody says to stop."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from entrepot.core.configuration import Configuration
from entrepot.core.errors import RegistryError
from entrepot.core.plugins import Plugins
from entrepot.server.app import create_app
from entrepot.server.debug import debug_app
from entrepot.server.logs import logged
from entrepot.server.servers.choosing import debug_listener, listener
from entrepot.server.servers.listener import Listener
from entrepot.server.servers.material import Material
from entrepot.server.servers.watching import Renewal

_LOG = logging.getLogger("entrepot.server")
_STOPPING = (signal.SIGTERM, signal.SIGINT)
PAGES_DRAIN = 1.0
"""Seconds that requests of debug pages have; with none, even an idle server was broken off."""


class EndedError(RegistryError):
    """A server that ended without being told to."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a process serves, and with what; `silent`: another process tells of renewals."""

    listening: socket.socket
    material: Material | None = None
    debug: socket.socket | None = None
    silent: bool = False


def serve_here(
    configuration: Configuration,
    plugins: Plugins,
    place: Place,
    ready: Callable[[], None],
    stop: Callable[[], Coroutine[Any, Any, object]] | None = None,
) -> None:
    """Serve until a signal says to stop, or `stop` returns; `ready` is called at its beginning.

    Requests under way then have `http.draintimeout` to finish.

    Raises RegistryError: whatever keeps the registry from being opened.
    """
    run(_serve(configuration, plugins, place, ready, stop))


async def _serve(
    configuration: Configuration,
    plugins: Plugins,
    place: Place,
    ready: Callable[[], None],
    stop: Callable[[], Coroutine[Any, Any, object]] | None,
) -> None:
    told = stop_signals()
    app = create_app(configuration, plugins)
    async with AsyncExitStack() as stack:
        # the lifespan is entered here, so that what keeps it from starting is raised here
        await stack.enter_async_context(app.router.lifespan_context(app))
        if place.debug is not None:
            pages = debug_listener(debug_app(configuration, app), place.debug)
            await stack.enter_async_context(started(pages, PAGES_DRAIN))
        serving = listener(
            logged(app, configuration), configuration, place.listening, place.material
        )
        drain = configuration.http.draintimeout.seconds
        await stack.enter_async_context(started(serving, drain))
        await stack.enter_async_context(renewed(configuration, place, serving))
        ready()
        await _first(told.wait(), serving.wait(), *([stop()] if stop is not None else []))
        app.state.health.drain()
        if not told.is_set() and stop is None:
            raise EndedError("the server ended by itself; its last words are above")


@asynccontextmanager
async def started(serving: Listener, drain: float) -> AsyncGenerator[None, None]:
    """A listener at work until the context is left."""
    await serving.start()
    try:
        yield
    finally:
        await serving.stop(drain)


@asynccontextmanager
async def renewed(
    configuration: Configuration, place: Place, serving: Listener
) -> AsyncGenerator[None, None]:
    """Certificates are kept new while the context lasts, if there are any."""
    tls = configuration.http.tls
    if place.material is None:
        _on_hangup(lambda: _LOG.info("no certificate to read again"))
        yield
        return
    renewal = Renewal(tls, place.material, serving.renew, silent=place.silent)
    _on_hangup(renewal.ask)
    task = asyncio.create_task(renewal.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


def stop_signals() -> asyncio.Event:
    """What is set when a signal says to stop."""
    told = asyncio.Event()
    for number in _STOPPING:
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    return told


def _on_hangup(act: Callable[[], None]) -> None:
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, act)


async def _first(*waiting: Coroutine[Any, Any, object]) -> None:
    """Return when one of them does."""
    tasks = [asyncio.create_task(one) for one in waiting]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run an event loop, the fastest there is."""
    if sys.platform == "win32":
        asyncio.run(main)
        return
    import uvloop  # noqa: PLC0415 - it does not exist everywhere

    uvloop.run(main)
