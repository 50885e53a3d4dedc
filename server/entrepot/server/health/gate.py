"""What the main listener answers to those who only ask how the registry is."""

from __future__ import annotations

from starlette.responses import PlainTextResponse, Response

from entrepot.server.health.status import Health

PROBED = frozenset({"/livez", "/readyz"})
"""Paths that say how this process is; below no prefix, because it is not the registry's API."""


def probed(path: str, health: Health) -> Response | None:
    """The answer to a probe; None if it is none.

    `/livez` is 200 as long as the process answers at all: starting it again would help against
    nothing that makes `/readyz` 503.
    """
    if path not in PROBED:
        return None
    hindrance = health.hindrance if path == "/readyz" else ""
    status = 503 if hindrance else 200
    text = f"{hindrance or 'ok'}\n"
    return PlainTextResponse(text, status, {"Cache-Control": "no-cache"})
