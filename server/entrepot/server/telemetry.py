"""Metrics and traces of one application. Where both are off, nothing is put anywhere."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from starlette.types import ASGIApp

from entrepot.core.configuration import Configuration
from entrepot.core.costs import CallObserver, told_to_all
from entrepot.server.application import Api
from entrepot.server.tracing import tracing_of

if TYPE_CHECKING:
    from entrepot.server.metrics.meters import Metrics


class Telemetry:
    """What watches requests and calls of the driver, made before the application is."""

    def __init__(self, configuration: Configuration, environ: Mapping[str, str]) -> None:
        self.metrics = _metrics(configuration)
        self._tracing = tracing_of(environ)

    @property
    def observer(self) -> CallObserver | None:
        """Who is to be told of the driver's calls; None: nobody."""
        observers = [one.observe for one in (self.metrics, self._tracing) if one is not None]
        return told_to_all(*observers)

    def around(self, api: Api) -> ASGIApp:
        """The application with those around it who watch requests; itself if nobody does."""
        app: ASGIApp = api
        if self._tracing is not None:
            app = self._tracing.traced(app, api.kind)
        return self.metrics.measured(app, api.kind) if self.metrics is not None else app

    @asynccontextmanager
    async def at_work(self, api: Api) -> AsyncGenerator[None, None]:
        """While the application's registry is open."""
        async with AsyncExitStack() as stack:
            if self.metrics is not None and api.registry is not None:
                self.metrics.follow(api.registry, api.health, api.notifications, api.maintained)
                await stack.enter_async_context(self.metrics.kept_fresh())
            if self._tracing is not None:
                await stack.enter_async_context(self._tracing.at_work())
            yield


def _metrics(configuration: Configuration) -> Metrics | None:
    debug = configuration.http.debug
    if not (debug.addr and debug.prometheus.enabled):
        return None
    from entrepot.server.metrics.meters import Metrics  # noqa: PLC0415 - heavy, if wanted

    return Metrics()
