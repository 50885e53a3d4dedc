"""The whole configuration."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from entrepot.core.configuration.model_access import AccessPolicy
from entrepot.core.configuration.model_base import Level, Parameters, Plugged, Section
from entrepot.core.configuration.model_content import (
    Catalog,
    Compatibility,
    Policy,
    Reporting,
    Tags,
    Validation,
)
from entrepot.core.configuration.model_http import Http
from entrepot.core.configuration.model_log import Log
from entrepot.core.configuration.model_services import Health, Notifications, Proxy, Redis
from entrepot.core.configuration.model_storage import Storage
from entrepot.core.configuration.tree import Table, plain


def _known_version(given: object) -> object:
    if str(given) != "0.1":
        raise ValueError("not supported; write `version: 0.1`")
    return "0.1"


class Auth(Section):
    """One way of authentication; none: everyone may do everything.

    Keys are names of ways; a loaded configuration has at most one.
    """

    model_config = ConfigDict(extra="allow")
    plugged: ClassVar[str] = "authenticator"
    __pydantic_extra__: dict[str, Parameters] = Field(init=False)  # pyright: ignore[reportIncompatibleVariableOverride]

    @property
    def method(self) -> str:
        """The name of the way; `none` if nobody is asked for anything."""
        return next(iter(self.__pydantic_extra__), "none")

    @property
    def written(self) -> Table:
        """Its parameters as written."""
        return self.__pydantic_extra__.get(self.method, Table(""))

    @property
    def parameters(self) -> dict[str, Any]:
        """Its parameters as YAML values, unchecked."""
        values: dict[str, Any] = plain(self.written)
        return values


class Middleware(Section):
    """What stands between the registry and its storage."""

    registry: tuple[Plugged, ...] = ()
    """Around the registry."""
    repository: tuple[Plugged, ...] = ()
    """Around every repository."""
    storage: tuple[Plugged, ...] = ()
    """Around the storage driver, in order."""


class Configuration(Section):
    """All of `config.yml`, in the dialects of Distribution 2.8 and 3."""

    version: Annotated[Literal["0.1"], BeforeValidator(_known_version)] = "0.1"
    """Version of the file's format."""
    log: Log = Log()
    """What is logged, and how."""
    loglevel: Level | None = None
    """Deprecated: write `log.level`."""
    storage: Storage = Storage()
    """Where content is stored."""
    auth: Auth = Auth()
    """How clients say who they are."""
    access: AccessPolicy = AccessPolicy()
    """Who may do what; without it, everybody who said who they are may do everything."""
    middleware: Middleware = Middleware()
    """What stands between the registry and its storage."""
    http: Http = Http()
    """Where the server listens and how it speaks."""
    notifications: Notifications = Notifications()
    """Who is told of pushes, pulls and deletions."""
    redis: Redis = Redis()
    """A shared cache."""
    health: Health = Health()
    """Checks of what the registry needs."""
    proxy: Proxy = Proxy()
    """A pull-through cache of another registry."""
    validation: Validation = Validation()
    """Checks of what is pushed."""
    policy: Policy = Policy()
    """What may be pushed."""
    catalog: Catalog = Catalog()
    """The list of repositories."""
    tags: Tags = Tags()
    """The list of a repository's tags."""
    reporting: Reporting = Reporting()
    """Dropped by Distribution 3: reports of errors."""
    compatibility: Compatibility = Compatibility()
    """Dropped by Distribution 3: old formats."""
