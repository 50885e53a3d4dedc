"""An access policy where each request carries a password."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from tests.server.authorization.conftest import ALICE, BOB, RULES, Start
from tests.server.conftest import Pusher


def header(user: tuple[str, str] | None) -> dict[str, str]:
    secret = b64encode(":".join(user or ()).encode()).decode()
    return {"Authorization": f"Basic {secret}"} if user else {}


@pytest.fixture
def client(start: Start, users: Path) -> TestClient:
    htpasswd = {"realm": "registry", "path": str(users)}
    client = start(auth={"htpasswd": htpasswd}, access={"rules": RULES})
    client.headers.update(header(ALICE))
    for name in ("public/app", "team/app", "alice/app"):
        Pusher(client).image(name, "1")
    del client.headers["Authorization"]
    return client


@pytest.mark.parametrize(
    ("user", "method", "path", "status"),
    [
        (None, "GET", "/v2/", 401),
        (None, "GET", "/v2/public/app/manifests/1", 200),
        (("", ""), "GET", "/v2/public/app/manifests/1", 200),
        (("alice", "wrong"), "GET", "/v2/public/app/manifests/1", 401),
        (None, "GET", "/v2/team/app/manifests/1", 401),
        (None, "POST", "/v2/public/app/blobs/uploads/", 401),
        (None, "DELETE", "/v2/public/app/manifests/1", 401),
        (None, "GET", "/v2/_catalog", 401),
        (BOB, "GET", "/v2/", 200),
        (BOB, "GET", "/v2/public/app/manifests/1", 200),
        (BOB, "GET", "/v2/team/app/manifests/1", 200),
        (BOB, "POST", "/v2/team/app/blobs/uploads/", 403),
        (BOB, "DELETE", "/v2/team/app/manifests/1", 403),
        (BOB, "GET", "/v2/alice/app/manifests/1", 403),
        (BOB, "GET", "/v2/nothing/manifests/1", 403),
        (BOB, "POST", "/v2/bob/app/blobs/uploads/", 202),
        (BOB, "POST", "/v2/bob/app/blobs/uploads/?mount=sha256:0&from=alice/app", 403),
        (ALICE, "DELETE", "/v2/public/app/manifests/1", 202),
    ],
)
def test_rules_decide(
    client: TestClient, user: tuple[str, str] | None, method: str, path: str, status: int
) -> None:
    assert client.request(method, path, headers=header(user)).status_code == status


def test_catalogue_is_filtered(client: TestClient) -> None:
    def listed(user: tuple[str, str]) -> list[str]:
        names: list[str] = client.get("/v2/_catalog", auth=user).json()["repositories"]
        return names

    assert listed(BOB) == ["public/app", "team/app"]
    assert listed(ALICE) == ["alice/app", "public/app", "team/app"]
