"""What the main listener answers while a check fails, and to those who probe it."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient
from tests.server.conftest import client_of
from tests.server.observed import until

from entrepot.server.health import Health

TOLD = {
    "errors": [
        {
            "code": "UNAVAILABLE",
            "message": "service unavailable",
            "detail": "health check failed: please see /debug/health",
        }
    ]
}


def health_of(client: TestClient) -> Health:
    app = client.app
    assert isinstance(app, Starlette)
    health = app.state.health
    assert isinstance(health, Health)
    return health


@pytest.fixture
def failing(client: TestClient) -> TestClient:
    health_of(client).report("shelf", "broken")
    return client


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/v2/"),
        ("GET", "/v2/a/manifests/x"),
        ("POST", "/v2/a/blobs/uploads/"),
        ("GET", "/nowhere"),
        ("BREW", "/v2/a/tags/list"),
    ],
)
def test_every_path_is_refused_while_a_check_fails(
    failing: TestClient, method: str, path: str
) -> None:
    answer = failing.request(method, path)

    assert answer.status_code == 503
    assert answer.json() == TOLD
    assert answer.headers["retry-after"] == "10"


def test_served_again_when_all_is_well(failing: TestClient) -> None:
    health_of(failing).report("shelf", None)

    assert failing.get("/v2/").status_code == 200


def test_probes_of_a_healthy_registry(client: TestClient) -> None:
    for path in ("/livez", "/readyz"):
        answer = client.get(path)
        assert (answer.status_code, answer.text) == (200, "ok\n")
        assert client.head(path).status_code == 200


def test_probes_of_an_unhealthy_registry(failing: TestClient) -> None:
    assert failing.get("/livez").status_code == 200
    answer = failing.get("/readyz")
    assert (answer.status_code, answer.text) == (503, "unhealthy\n")


def test_registry_that_drains_answers_and_is_not_ready(client: TestClient) -> None:
    health_of(client).drain()

    assert client.get("/v2/").status_code == 200
    answer = client.get("/readyz")
    assert (answer.status_code, answer.text) == (503, "draining\n")


def test_registry_that_starts_is_alive_and_not_ready() -> None:
    client = client_of()  # its lifespan is not entered

    assert client.get("/livez").status_code == 200
    answer = client.get("/readyz")
    assert (answer.status_code, answer.text) == (503, "starting\n")


def test_probes_are_below_no_prefix() -> None:
    with client_of(HTTP_PREFIX="/my/") as client:
        assert client.get("/readyz").status_code == 200
        assert client.get("/my/readyz").status_code == 404
        health_of(client).report("shelf", "broken")
        assert client.get("/readyz").status_code == 503


def test_probes_below_a_mount_point() -> None:
    with client_of() as inner:
        outer = TestClient(Starlette(routes=[Mount("/registry", app=inner.app)]))
        assert outer.get("/registry/readyz").status_code == 200


def test_file_of_the_configuration_is_looked_for_at_once(tmp_path: Path) -> None:
    path = tmp_path / "down"
    path.touch()

    with client_of(HEALTH_FILE=f"[{{file: {path}, interval: 100ms}}]") as client:
        until(lambda: client.get("/v2/").status_code == 503)
        assert health_of(client).failing == {str(path): "file exists"}
        path.unlink()
        until(lambda: client.get("/v2/").status_code == 200)


def test_checks_of_one_name_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "down"
    path.touch()

    with client_of(HEALTH_FILE=f"[{{file: {path}}}, {{file: {path}}}]") as client:
        until(lambda: bool(client.get("/")) and len(health_of(client).failing) == 2)
        assert list(health_of(client).failing) == [str(path), f"{path} (2)"]
