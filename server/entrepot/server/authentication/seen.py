"""A request as an authenticator may see it, looked at only as far as it does."""

from __future__ import annotations

from typing import Any, Self

from starlette.types import Scope

from entrepot.core.access import Asking
from entrepot.server.urls import Urls


class Seen(Asking):
    """The `Asking` of a request, most of which is made when an authenticator asks for it.

    Most requests come with credentials that were good a moment ago, and need no more than those.
    """

    __slots__ = ("_scope", "_urls")
    _scope: Scope
    _urls: Urls

    @classmethod
    def of(cls, scope: Scope, urls: Urls, header: str | None) -> Self:
        seen = object.__new__(cls)
        keep = object.__setattr__
        keep(seen, "_scope", scope)
        keep(seen, "_urls", urls)
        keep(seen, "moment", None)
        keep(seen, "authorization", header)
        return seen

    def __getattr__(self, name: str) -> Any:
        """A field that is asked for the first time."""
        if name in {"base", "is_told"}:
            base, is_told = self._urls.base(self._scope)
            object.__setattr__(self, "base", base)
            object.__setattr__(self, "is_told", is_told)
            return base if name == "base" else is_told
        made = self._made(name)
        object.__setattr__(self, name, made)
        return made

    def _made(self, name: str) -> Any:
        if name == "certificate":
            return self._scope.get("entrepot.certificate")
        if name == "address":
            client = self._scope.get("client")
            return client[0] if client else ""
        if name == "root":
            return self._urls.path(self._scope, "")
        raise AttributeError(name)


def authorization(scope: Scope) -> str | None:
    """The first Authorization header; None: there is none."""
    for name, value in scope["headers"]:
        if name == b"authorization":
            text: str = value.decode("latin-1")
            return text
    return None
