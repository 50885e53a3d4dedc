"""An authenticator that keeps what it is asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from entrepot.core import hookimpl
from entrepot.core.access import (
    Access,
    Asking,
    Authenticator,
    AuthenticatorOptions,
    Identity,
    UnauthorizedError,
)
from entrepot.core.hookspecs import RegisterAuthenticator
from entrepot.core.plugins import Plugins, load_plugins

__all__ = ["Options", "Recorder", "challenge", "plugged"]


@dataclass
class Recorder(Authenticator):
    """Keeps what it is asked; lets everybody in, unless there is something to raise."""

    asked: list[tuple[Asking, tuple[str, ...]]] = field(default_factory=list[Any])
    errors: Iterator[Exception | None] = field(default_factory=lambda: iter(()))

    async def authorize(self, asking: Asking, wanted: Sequence[Access]) -> Identity:
        self.asked.append(
            (asking, tuple(f"{each.type}:{each.name}:{each.action}" for each in wanted))
        )
        error = next(self.errors, None)
        if error is not None:
            raise error
        return Identity("alice")

    def refuse(self, *errors: Exception | None) -> None:
        self.errors = iter(errors)

    @property
    def wanted(self) -> tuple[str, ...]:
        return self.asked[-1][1]


class Options(AuthenticatorOptions):
    """None."""


@dataclass(eq=False)
class Plugin:
    """A plug-in of one authenticator."""

    opening: Any

    @hookimpl
    def register_authenticators(self, register: RegisterAuthenticator) -> None:
        register("recorder", self.opening, Options)


def plugged(opening: Any) -> Plugins:
    plugins = load_plugins()
    plugins.add(Plugin(opening), "recorder")
    return plugins


def challenge(*, is_expired: bool = False) -> UnauthorizedError:
    return UnauthorizedError("authentication required", "Basic realm=x", is_expired=is_expired)
