"""A registry that takes nothing: `storage.maintenance.readonly`."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from tests.server.conftest import Pusher, sha

from entrepot.core.configuration import load
from entrepot.server.app import create_app


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
