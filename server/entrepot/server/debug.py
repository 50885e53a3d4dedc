"""The pages of the debug listener, for those who run the registry.

`/debug/health`, and the metrics if they are switched on. What Distribution shows besides, its
command line with variables in clear and a profiler, is not here.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from entrepot.core.configuration import Configuration
from entrepot.server.health import Health
from entrepot.server.health.sharing import SHARED_FOLDER, shared

Page = Callable[[Request], Awaitable[Response]]


def debug_app(configuration: Configuration, app: Starlette | None = None) -> ASGIApp:
    """The debug pages of `app`, which `create_app` made for this process.

    Without one, this process watches over workers; their pages are made of what they put into
    the folder that PROMETHEUS_MULTIPROC_DIR names.
    """
    prometheus = configuration.http.debug.prometheus
    routes = [Route("/debug/health", _health_page(app))]
    if prometheus.enabled:
        routes.append(Route(prometheus.path, _metrics_page(app)))
    return Starlette(routes=routes)


def _health_page(app: Starlette | None) -> Page:
    """Distribution's form: what fails by the name of its check, 503 if anything does."""

    async def show(_: Request) -> Response:
        failing = await _failing(app)
        return JSONResponse(dict(failing), 503 if failing else 200)

    return show


async def _failing(app: Starlette | None) -> Mapping[str, str]:
    if app is None:
        return await asyncio.to_thread(shared, _folder())
    health: Health = app.state.health
    return health.failing


def _metrics_page(app: Starlette | None) -> Page:
    from entrepot.server.metrics.exposing import Exposition  # noqa: PLC0415 - heavy, if wanted

    exposition = Exposition(_folder() if app is None else app.state.metrics)

    async def show(request: Request) -> Response:
        accept = request.headers.get("accept", "")
        content, media_type = await exposition.text(accept)
        return Response(content, headers={"Content-Type": media_type})

    return show


def _folder() -> Path:
    return Path(os.environ[SHARED_FOLDER])
