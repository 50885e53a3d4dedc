"""A span for each request, in the words of OpenTelemetry's semantic conventions for HTTP.

No header is in it but User-Agent, and no query string: those can hold credentials.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from opentelemetry import context
from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.trace.span import Span
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from entrepot.server.account import account

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_LONGEST = 256  # characters of what a client chooses
_FORMAT = TraceContextTextMapPropagator()
_ROUTES = {
    "base": "/v2/",
    "blob": "/v2/{name}/blobs/{digest}",
    "blob_upload": "/v2/{name}/blobs/uploads/",
    "blob_upload_chunk": "/v2/{name}/blobs/uploads/{id}",
    "catalog": "/v2/_catalog",
    "manifest": "/v2/{name}/manifests/{reference}",
    "referrers": "/v2/{name}/referrers/{digest}",
    "tags": "/v2/{name}/tags/list",
}

KindOf = Callable[[Scope], str]
"""The kind of a request's route; empty if no route is there."""


class Traced:
    """ASGI middleware: `<METHOD> <kind of route>` around a request, below the client's span."""

    def __init__(self, app: ASGIApp, kind_of: KindOf, tracer: Tracer) -> None:
        self._app = app
        self._kind_of = kind_of
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        span = self._begin(scope)
        status = 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        token = context.attach(set_span_in_context(span))
        try:
            await self._app(scope, receive, sending)
        except BaseException as error:
            _failed(span, type(error).__qualname__, is_ours=not isinstance(error, ClientDisconnect))
            raise
        finally:
            context.detach(token)
            _end(span, scope, status)

    def _begin(self, scope: Scope) -> Span:
        kind = self._kind_of(scope)
        method: str = scope["method"]
        known = method if method in _METHODS else "_OTHER"
        headers = _texts(scope)
        attributes = {"http.request.method": known} | _place(scope, headers)
        if known != method:
            attributes["http.request.method_original"] = _text(method)
        if kind in _ROUTES:
            attributes["http.route"] = _ROUTES[kind]
        return self._tracer.start_span(
            f"{method if known == method else 'HTTP'} {kind}".rstrip(),
            context=_FORMAT.extract(headers),
            kind=SpanKind.SERVER,
            attributes=attributes,
        )


def _text(given: str) -> str:
    """Text that can be sent: a path that is no UTF-8 would cost all spans sent with it."""
    return given[: 4 * _LONGEST].encode("utf-8", "replace").decode()


def _texts(scope: Scope) -> Mapping[str, str]:
    """The headers that are looked at here."""
    wanted = (b"host", b"user-agent", b"traceparent", b"tracestate")
    found = [(name, value) for name, value in scope["headers"] if name in wanted]
    return {name.decode(): value.decode("latin-1") for name, value in found}


def _place(scope: Scope, headers: Mapping[str, str]) -> dict[str, str | int]:
    found: dict[str, str | int] = {
        "url.scheme": scope.get("scheme", "http"),
        "url.path": _text(scope["path"]),
        "network.protocol.version": scope.get("http_version", "1.1"),
    }
    host, _, port = headers.get("host", "").rpartition(":")
    if host and port.isdecimal() and len(port) < 6:
        found |= {"server.address": host[:_LONGEST], "server.port": int(port)}
    elif "host" in headers:
        found["server.address"] = headers["host"][:_LONGEST]
    if "user-agent" in headers:
        found["user_agent.original"] = headers["user-agent"][:_LONGEST]
    client: tuple[str, int] | None = scope.get("client")
    if client:
        found |= {"client.address": client[0], "network.peer.address": client[0]}
        found["network.peer.port"] = client[1]
    return found


def _failed(span: Span, kind: str, *, is_ours: bool) -> None:
    span.set_attribute("error.type", kind)
    if is_ours:
        span.set_status(Status(StatusCode.ERROR))


def _end(span: Span, scope: Scope, status: int) -> None:
    if span.is_recording():
        seen = account(scope)
        span.set_attribute("entrepot.request.id", seen.id)
        if seen.error:
            span.set_attribute("entrepot.error.code", seen.error)
        if status:
            span.set_attribute("http.response.status_code", status)
        if status >= 500:
            _failed(span, str(status), is_ours=True)
    span.end()
