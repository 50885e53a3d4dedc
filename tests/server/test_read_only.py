"""A registry that takes nothing: `storage.maintenance.readonly`, `entrepot readonly`."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from tests.server.conftest import Pusher, sha
from typer.testing import CliRunner, Result

from entrepot.core.configuration import load
from entrepot.core.read_only import SECONDS
from entrepot.server.app import create_app
from entrepot.server.cli import app
from entrepot.server.cli import read_only as commands


def client(root: Path, **variables: str) -> TestClient:
    place = {"REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": str(root)}
    switches = {"REGISTRY_STORAGE_DELETE_ENABLED": "true"}
    return TestClient(create_app(load(None, place | switches | variables).configuration))


@pytest.fixture
def pushed(tmp_path: Path) -> str:
    with client(tmp_path) as writable:
        Pusher(writable).blob("a/b", b"layer")
        started = writable.post("/v2/a/b/blobs/uploads/")
    return str(started.headers["location"])


@pytest.fixture
def read_only(tmp_path: Path, pushed: str) -> Generator[TestClient, None, None]:
    assert pushed
    with client(tmp_path, REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED="true") as found:
        yield found


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v2/a/b/blobs/uploads/"),
        ("PUT", "/v2/a/b/manifests/latest"),
        ("DELETE", "/v2/a/b/manifests/latest"),
        ("DELETE", f"/v2/a/b/blobs/{sha(b'layer')}"),
    ],
)
def test_nothing_is_taken_or_removed(read_only: TestClient, method: str, path: str) -> None:
    answer = read_only.request(method, path)

    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD"
    assert answer.json()["errors"][0]["code"] == "UNSUPPORTED"
    assert "read-only" in answer.json()["errors"][0]["message"]


@pytest.mark.parametrize("method", ["PATCH", "PUT", "DELETE"])
def test_begun_upload_does_not_go_on(read_only: TestClient, pushed: str, method: str) -> None:
    assert read_only.request(method, pushed, content=b"more").status_code == 405
    assert read_only.get(pushed).status_code == 204


def test_content_is_served(read_only: TestClient) -> None:
    assert read_only.get(f"/v2/a/b/blobs/{sha(b'layer')}").content == b"layer"
    assert read_only.post("/v2/").status_code == 200


@pytest.fixture
def no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "_WAIT", 0.0)


def run(root: Path, *arguments: str) -> Result:
    environment = {"REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": str(root)}
    done = CliRunner().invoke(app, ["readonly", *arguments], env=environment)
    assert done.exit_code == 0, done.output
    return done


@pytest.mark.usefixtures("no_wait", "pushed")
def test_switch_on_the_store_holds_for_whoever_serves_it(tmp_path: Path) -> None:
    run(tmp_path, "on", "--reason", "moving house")

    with client(tmp_path) as replica:
        refused = replica.post("/v2/a/b/blobs/uploads/")
        read = replica.get(f"/v2/a/b/blobs/{sha(b'layer')}")

    assert refused.status_code == 405
    assert refused.headers["allow"] == "GET, HEAD"
    assert refused.json()["errors"] == [
        {"code": "UNSUPPORTED", "message": "the registry is read-only now: moving house"}
    ]
    assert read.content == b"layer"

    run(tmp_path, "off")
    with client(tmp_path) as replica:
        assert replica.post("/v2/a/b/blobs/uploads/").status_code == 202


@pytest.mark.usefixtures("no_wait")
def test_status_says_why_and_since_when(tmp_path: Path) -> None:
    assert run(tmp_path, "status").stdout == "not read-only\n"
    assert json.loads(run(tmp_path, "status", "--json").stdout) == {"readonly": False}

    run(tmp_path, "on", "--reason", "moving house")

    said = json.loads(run(tmp_path, "status", "--json").stdout)
    assert (said["readonly"], said["reason"]) == (True, "moving house")
    assert run(tmp_path, "status").stdout == f"read-only since {said['since']}: moving house\n"


def test_command_returns_when_every_replica_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    async def waited(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr("asyncio.sleep", waited)
    run(tmp_path, "on")
    run(tmp_path, "off")

    assert len(waits) == 2
    assert min(waits) > SECONDS


def test_nothing_is_taken_while_nobody_knows_whether_it_may(tmp_path: Path) -> None:
    (tmp_path / "entrepot").mkdir()
    (tmp_path / "entrepot" / "readonly").symlink_to("readonly")  # nobody can read this

    with client(tmp_path) as replica:
        refused = replica.post("/v2/a/b/blobs/uploads/")

        assert refused.status_code == 503
        assert refused.json()["errors"][0]["code"] == "UNAVAILABLE"
        assert replica.get("/v2/_catalog").status_code == 200
