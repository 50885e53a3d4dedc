"""Applications with an access policy, in process."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from entrepot.core.configuration import load
from entrepot.core.plugins import Plugins, load_plugins
from entrepot.server.app import create_app
from entrepot.server.authorization.keys import write_key

ALICE, BOB = ("alice", "s3cret"), ("bob", "hunter2")
USERS = (
    "alice:$2b$04$RzCTHRy8MThZ5cL1VTJfzOQtyCTwRlv2wZwimTo2vDyfxkLFxGcf2\n"
    "bob:$2b$04$RzCTHRy8MThZ5cL1VTJfzOLpeIKx6Qi10DnDESQ.WmkCvfx7GjMNu\n"
)
RULES: list[dict[str, Any]] = [
    {"anonymous": True, "repositories": ["public/**"], "actions": ["pull"]},
    {"users": ["bob"], "repositories": ["team/*"], "actions": ["pull"]},
    {"users": ["bob"], "actions": ["catalog"]},
    {"authenticated": True, "repositories": ["{user}/**"], "actions": ["pull", "push", "delete"]},
    {"users": ["alice"], "repositories": ["**"], "actions": ["*"]},
]

Start = Callable[..., TestClient]


@pytest.fixture(scope="session")
def plugins() -> Plugins:
    return load_plugins()


@pytest.fixture(scope="session")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key that signs tokens."""
    path = tmp_path_factory.mktemp("key") / "key.pem"
    write_key(str(path))
    return path


@pytest.fixture
def users(tmp_path: Path) -> Path:
    path = tmp_path / "users"
    path.write_text(USERS)
    return path


@pytest.fixture
def start(tmp_path: Path, plugins: Plugins) -> Generator[Start, None, None]:
    """Starts an application of a configuration, whose other sections are given."""
    with ExitStack() as stack:

        def started(
            url: str = "http://registry.test", address: str = "testclient", **sections: Any
        ) -> TestClient:
            file = tmp_path / "config.yml"
            storage = {"inmemory": {}, "delete": {"enabled": True}}
            file.write_text(json.dumps({"version": 0.1, "storage": storage} | sections))
            app = create_app(load(file, {}, plugins.models).configuration, plugins)
            client = TestClient(app, url, follow_redirects=False, client=(address, 1))
            return stack.enter_context(client)

        yield started


@pytest.fixture
def service(start: Start, users: Path, key: Path) -> TestClient:
    """A registry that issues tokens itself, by RULES."""
    auth = {"entrepot": {"htpasswd": str(users), "keys": [str(key)]}}
    return start(auth=auth, access={"rules": RULES})


def ask(client: TestClient, user: tuple[str, str] | None, *scopes: str, **more: str) -> Any:
    """The answer to a GET for a token."""
    query: Any = [("service", "entrepot"), *(("scope", one) for one in scopes), *more.items()]
    return client.get("/auth/token", params=query, auth=user)


def token(client: TestClient, user: tuple[str, str] | None, *scopes: str) -> dict[str, str]:
    """The header with a token for these scopes."""
    answer = ask(client, user, *scopes)
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['token']}"}
