"""Applications that ask who one is, and authenticators without an application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from tests.server.authentication.passwords import ALICE
from tests.server.authentication.recording import Options, Recorder, plugged

from entrepot.core.access import Access, Asking, Authenticator, Identity, Rights
from entrepot.core.configuration import load
from entrepot.core.plugins import Plugins, load_plugins
from entrepot.server.app import create_app

Guarded = Callable[..., TestClient]
Ask = Callable[..., Identity]


@pytest.fixture(scope="session")
def plugins() -> Plugins:
    return load_plugins()


@pytest.fixture
def guarded(plugins: Plugins) -> Generator[Guarded, None, None]:
    """Starts an application in process, configured by REGISTRY_* variables without that."""
    with ExitStack() as stack:

        def start(plugins: Plugins = plugins, **variables: str) -> TestClient:
            environment = {"STORAGE": "inmemory", "STORAGE_DELETE_ENABLED": "true"} | variables
            given = {f"REGISTRY_{name}": value for name, value in environment.items()}
            configuration = load(None, given, plugins.models).configuration
            app = create_app(configuration, plugins)
            client = TestClient(app, base_url="http://registry.test", follow_redirects=False)
            return stack.enter_context(client)

        yield start


@pytest.fixture
def ask() -> Ask:
    """Asks an authenticator that needs no running loop of its own."""

    def asking(
        authenticator: Authenticator,
        authorization: str | None = None,
        wanted: Sequence[Access] = (Access("repository", "a/b", "pull"),),
        base: str = "",
        is_told: bool = False,
        moment: float | None = None,
    ) -> Identity:
        given = Asking(authorization, base=base, is_told=is_told, moment=moment)
        return asyncio.run(authenticator.authorize(given, wanted))

    return asking


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def client(recorder: Recorder, guarded: Guarded) -> TestClient:
    """A client of an application that asks the recorder."""

    @asynccontextmanager
    async def open_recorder(_: Options, __: Rights) -> AsyncGenerator[Authenticator, None]:
        yield recorder

    return guarded(plugged(open_recorder), AUTH="recorder")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file with one user."""
    path = tmp_path / "htpasswd"
    path.write_text(ALICE)
    return path
