"""The ASGI application of a registry: from a request to its endpoint, from errors to answers."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse, Response
from starlette.types import Message, Receive, Scope, Send

from entrepot.core.access import ANONYMOUS
from entrepot.core.read_only import Switch
from entrepot.core.registry import Registry
from entrepot.server import errors, routes
from entrepot.server.account import account
from entrepot.server.authentication.gate import Gate
from entrepot.server.authentication.needs import needs
from entrepot.server.authorization.paths import Handler
from entrepot.server.authorization.rights import PolicyRights
from entrepot.server.call import Call, Limits
from entrepot.server.handover import Handover
from entrepot.server.health import Health, probed
from entrepot.server.listeners import Listeners
from entrepot.server.maintained import Maintained
from entrepot.server.notifications.counts import Counts
from entrepot.server.urls import Urls

_LOG = logging.getLogger("entrepot.server")
_VERSION = (b"docker-distribution-api-version", b"registry/2.0")


@dataclass
class Api:
    """Answers every path below `urls.prefix`; `registry` is set once its driver is open.

    Without a `gate`, everybody may do everything. `rights` are those of an access policy, by
    which the catalogue is shown. `paths` are answered beside the API's, without asking who it is.
    `switch` is the store's, which makes all its replicas read-only; `is_read_only` is this one's.
    """

    urls: Urls
    limits: Limits
    headers: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    registry: Registry | None = None
    health: Health = field(default_factory=Health)
    gate: Gate | None = None
    notifications: Counts = field(default_factory=Counts)
    maintained: Maintained = field(default_factory=Maintained)
    listeners: Listeners | None = None
    rights: PolicyRights | None = None
    handover: Handover | None = None
    paths: Mapping[str, Handler] = field(default_factory=dict[str, Handler])
    is_read_only: bool = False
    switch: Switch | None = None

    def __post_init__(self) -> None:
        self._headers = [_VERSION] + [
            (name.lower().encode("latin-1"), value.encode("latin-1"))
            for name, values in self.headers.items()
            for value in values
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def sending(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [*message["headers"], *self._headers]
            await send(message)

        try:
            response = await self._answer(scope, receive)
            await response(scope, receive, sending)
        except ClientDisconnect:
            _LOG.info("client left: %s %s", scope["method"], scope["path"])
        except Exception as error:
            if started:  # too late to say it: breaking off is what the client can notice
                raise
            errors.note(account(scope), error)
            await errors.answer(error)(scope, receive, sending)

    async def _answer(self, scope: Scope, receive: Receive) -> Response:
        if self.health.is_failing:
            if (probe := self._probed(scope)) is not None:
                return probe
            raise errors.UnhealthyError
        seen = account(scope)
        path = self._path(scope)
        if path == "/":
            return Response(headers={"Cache-Control": "no-cache"})
        found = routes.match(path) if path is not None else None
        if found is None:
            if path is not None and path in self.paths:
                return await self.paths[path](scope, receive)
            if (probe := self._probed(scope)) is not None:
                return probe
            raise errors.NoEndpointError("no such endpoint: the API is below /v2/")
        seen.kind, seen.name, seen.reference = found.route.kind, found.name, found.reference
        method: str = scope["method"]
        if self.registry is None or method == "OPTIONS":
            return _without_storage(found, method)
        identity, name = ANONYMOUS, None
        if self.gate is not None:
            needed = needs(scope, found, method)
            identity = await self.gate.admit(scope, found, needed, self.registry)
            name = needed.name
            seen.user = identity.name
            _LOG.debug("authorized request")
        endpoint = await self._endpoint(found.route, method)
        return await endpoint(
            Call(
                scope,
                receive,
                self.registry,
                self.urls,
                self.limits,
                method,
                found.name,
                found.reference,
                identity,
                self.gate is not None,
                self.listeners,
                self.rights,
                self.handover,
                name,
            )
        )

    async def _endpoint(self, route: routes.Route, method: str) -> routes.Endpoint:
        """Raises MethodError; ReadOnlyError: if it writes and may not; StorageError: if it
        writes and nobody knows whether it may.
        """
        endpoint = route.endpoints.get(method)
        if endpoint is None:
            raise errors.MethodError(method, route.allowed)
        if self.is_read_only and route.writes(method):
            raise errors.ReadOnlyError(method)
        if self.switch is not None and route.writes(method):
            found = await self.switch.find()
            if found is not None:
                raise errors.ReadOnlyError(method, found)
        return endpoint

    def kind(self, scope: Scope) -> str:
        """The kind of a request's route, as metrics call it; empty if there is no route."""
        path = self._path(scope)
        found = routes.match(path) if path is not None else None
        if found is not None:
            return found.route.kind
        return "auth" if path in self.paths else ""

    def _probed(self, scope: Scope) -> Response | None:
        return probed(_mounted(scope), self.health)

    def _path(self, scope: Scope) -> str | None:
        """The path behind the mount point and the prefix; None if it is elsewhere."""
        path = _mounted(scope)
        prefix = self.urls.prefix
        if prefix != "/" and path != "/":
            if not path.startswith(prefix):
                return None
            path = path[len(prefix) - 1 :]
        return path


def _without_storage(found: routes.Match, method: str) -> Response:
    """Browsers ask for options before they send credentials; there is nothing secret in them."""
    if method == "OPTIONS":
        return Response(headers={"Allow": ", ".join(found.route.allowed)})
    return PlainTextResponse("starting", 503, {"Retry-After": "1"})


def _mounted(scope: Scope) -> str:
    """The path behind the mount point."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    return path[len(root) :] if root and path.startswith(root) else path
