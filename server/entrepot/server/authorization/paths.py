"""Paths beside `/v2/` that an authenticator answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol, TypeAlias, runtime_checkable

from starlette.responses import Response
from starlette.types import Receive, Scope

from entrepot.core.access import Authenticator

Handler: TypeAlias = Callable[[Scope, Receive], Awaitable[Response]]


@runtime_checkable
class HasPaths(Protocol):
    """An authenticator with paths of its own, below the prefix; anybody may ask there."""

    paths: Mapping[str, Handler]


def paths_of(authenticator: Authenticator | None) -> Mapping[str, Handler]:
    return authenticator.paths if isinstance(authenticator, HasPaths) else {}
