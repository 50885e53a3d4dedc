"""Requests, measured around the application; where metrics are off, nothing of this is there."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

from prometheus_client import Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from entrepot.server.account import Account, account
from entrepot.server.metrics.instruments import (
    AccessInstruments,
    HttpInstruments,
    UploadInstruments,
)

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_OTHER = "unknown"  # Distribution's word for a method that nobody has
_LEFT = "499"  # the client was gone before it had an answer
_STEP = 4 * 1024 * 1024  # bytes of a body after which those counted so far are shown
_CREDENTIALS = b"authorization"

KindOf = Callable[[Scope], str]
"""The kind of a request's route; empty if no route is there."""


class _Route:
    """The instruments of one handler and method, found once."""

    __slots__ = (
        "_codes", "_http", "_labels", "in_flight", "received", "request_bytes", "response_bytes",
        "seconds", "sent",
    )  # fmt: skip

    def __init__(self, http: HttpInstruments, kind: str, method: str) -> None:
        self._http = http
        self._labels = kind, method
        self._codes: dict[str, Counter] = {}
        self.in_flight: Gauge = http.in_flight.labels(kind)
        self.seconds: Histogram = http.seconds.labels(kind, method)
        self.request_bytes: Histogram = http.request_bytes.labels(kind)
        self.response_bytes: Histogram = http.response_bytes.labels(kind)
        self.received: Counter = http.received.labels(kind)
        self.sent: Counter = http.sent.labels(kind)

    def requests(self, code: str) -> Counter:
        found = self._codes.get(code)
        if found is None:
            found = self._codes[code] = self._http.requests.labels(*self._labels, code)
        return found


class _Passing:
    """The bodies of one request and its answer on their way: counted, nothing else."""

    __slots__ = ("_receive", "_route", "_send", "_shown_in", "_shown_out", "code", "received",
                 "sent", "start")  # fmt: skip

    def __init__(self, route: _Route, receive: Receive, send: Send) -> None:
        self._route = route
        self._receive = receive
        self._send = send
        self._shown_in = self._shown_out = 0
        self.received = self.sent = 0
        self.code = ""
        self.start: Message | None = None

    async def receive(self) -> Message:
        message = await self._receive()
        self.received += len(message.get("body", b""))
        if self.received - self._shown_in >= _STEP:
            self.show()
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.body":
            self.sent += len(message.get("body", b""))
            if self.sent - self._shown_out >= _STEP:
                self.show()
        elif message["type"] == "http.response.start":
            self.code = str(message["status"])
            self.start = message
        elif message["type"] == "http.response.pathsend" and self.start is not None:
            self.sent += _length(self.start)
        await self._send(message)

    def show(self) -> None:
        if self.received > self._shown_in:
            self._route.received.inc(self.received - self._shown_in)
            self._shown_in = self.received
        if self.sent > self._shown_out:
            self._route.sent.inc(self.sent - self._shown_out)
            self._shown_out = self.sent


class Measured:
    """ASGI middleware: what Distribution measures of a request, and bytes, refusals, uploads."""

    def __init__(
        self,
        app: ASGIApp,
        kind_of: KindOf,
        http: HttpInstruments,
        uploads: UploadInstruments,
        access: AccessInstruments,
    ) -> None:
        self._app = app
        self._kind_of = kind_of
        self._http = http
        self._uploads = uploads
        self._access = access
        self._routes: dict[tuple[str, str], _Route] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = self._kind_of(scope) if scope["type"] == "http" else ""
        if not kind:
            await self._app(scope, receive, send)
            return
        began = perf_counter()
        route = self._route(kind, scope["method"])
        passing = _Passing(route, receive, send)
        route.in_flight.inc()
        try:
            await self._app(scope, passing.receive, passing.send)
        finally:
            route.in_flight.dec()
            route.seconds.observe(perf_counter() - began)
            self._count(scope, route, passing)

    def _route(self, kind: str, method: str) -> _Route:
        known = method if method in _METHODS else _OTHER
        found = self._routes.get((kind, known))
        if found is None:
            found = self._routes[kind, known] = _Route(self._http, kind, known.lower())
        return found

    def _count(self, scope: Scope, route: _Route, passing: _Passing) -> None:
        passing.show()
        route.requests(passing.code or _LEFT).inc()
        route.request_bytes.observe(_head_size(scope) + passing.received)
        route.response_bytes.observe(passing.sent)
        seen = account(scope)
        if seen.error in {"UNAUTHORIZED", "DENIED"}:
            self._access.refused.labels(_reason(scope, seen)).inc()
        if seen.kind.startswith("blob_upload"):
            self._count_upload(scope["method"], passing.code)

    def _count_upload(self, method: str, code: str) -> None:
        event = _EVENTS.get((method, code))
        if event is not None:
            self._uploads.ended.labels(event).inc()
            self._uploads.open.inc(1 if event == "started" else -1)


_EVENTS = {
    ("POST", "202"): "started",
    ("PUT", "201"): "finished",
    ("DELETE", "204"): "cancelled",
}


def _reason(scope: Scope, seen: Account) -> str:
    """Clients first ask without credentials, and that is no failure: so it is told apart."""
    if seen.error == "DENIED":
        return "denied"
    shown = any(name == _CREDENTIALS for name, _ in scope["headers"])
    return "wrong" if shown else "missing"


def _head_size(scope: Scope) -> int:
    """About the bytes of a request before its body. Source: Prometheus' library for Go."""
    size = len(scope["path"]) + len(scope["query_string"]) + len(scope["method"])
    for name, value in scope["headers"]:
        size += len(name) + len(value)
    return size


def _length(start: Message) -> int:
    """What an answer says of its own length."""
    for name, value in start["headers"]:
        if name.lower() == b"content-length":
            return int(value)
    return 0
