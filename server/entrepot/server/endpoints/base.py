"""The endpoint that says "this is a registry"."""

from __future__ import annotations

from starlette.responses import Response

from entrepot.server.call import Call


async def base(call: Call) -> Response:
    """Source: distribution-spec 1.1, "Determining Support"."""
    headers = {"Content-Length": "2", "Content-Type": "application/json"}
    return Response(b"" if call.method == "HEAD" else b"{}", headers=headers)
