"""Plug-ins of these tests that observe events and admit manifests, and applications with them."""

from __future__ import annotations

import types
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

from starlette.testclient import TestClient

from entrepot.core.admission import Admission, AdmissionOptions, Push
from entrepot.core.configuration import load
from entrepot.core.events import Event, Observer, ObserverOptions
from entrepot.core.hookspecs import RegisterAdmission, RegisterObserver, hookimpl
from entrepot.core.plugins import Plugins, load_plugins
from entrepot.server.app import create_app


class Written(ObserverOptions):
    """Options of the observer: a key that must be there."""

    word: str = "none"


class Words(AdmissionOptions):
    """Options of the admission."""

    word: str = "none"


class Observed:
    """Is told of events by a function."""

    def __init__(self, function: Callable[[Event], Awaitable[None]]) -> None:
        self._function = function
        self.is_closed = False

    async def observe(self, event: Event) -> None:
        await self._function(event)


class Admitted:
    """Looks at manifests by a function."""

    def __init__(self, function: Callable[[Push], Awaitable[None]]) -> None:
        self._function = function

    async def admit(self, push: Push) -> None:
        await self._function(push)


def plugins_with(
    observers: dict[str, Observer] | None = None, admissions: dict[str, Admission] | None = None
) -> Plugins:
    """The installed plug-ins, and one that offers these."""

    @hookimpl
    def register_observers(register: RegisterObserver) -> None:
        for name, observer in (observers or {}).items():

            @asynccontextmanager
            async def opened(
                _: Written, observer: Observer = observer
            ) -> AsyncGenerator[Observer, None]:
                yield observer
                if isinstance(observer, Observed):
                    observer.is_closed = True

            register(name, opened, Written)

    @hookimpl
    def register_admissions(register: RegisterAdmission) -> None:
        for name, admission in (admissions or {}).items():

            @asynccontextmanager
            async def admitting(
                _: Words, admission: Admission = admission
            ) -> AsyncGenerator[Admission, None]:
                yield admission

            register(name, admitting, Words)

    module = types.ModuleType("listening")
    vars(module).update(
        register_observers=register_observers, register_admissions=register_admissions
    )
    plugins = load_plugins()
    plugins.add(module, "listening")
    return plugins


def client_with(plugins: Plugins, **variables: str) -> TestClient:
    """A client of an application in memory that uses these plug-ins."""
    environment = {"REGISTRY_STORAGE": "inmemory", "REGISTRY_STORAGE_DELETE_ENABLED": "true"}
    environment |= {f"REGISTRY_{name}": value for name, value in variables.items()}
    app = create_app(load(None, environment, plugins.models).configuration, plugins)
    return TestClient(app, base_url="http://registry.test", follow_redirects=False)
