"""Locations as clients can reach them: proxies, prefixes, hosts, relative ones, mounts."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient
from tests.server.conftest import client_of

from entrepot.core.configuration import load
from entrepot.server.app import create_app


def location(client: TestClient, path: str = "/v2/a/blobs/uploads/", **headers: str) -> str:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    response = client.post(path, headers=named)
    assert response.status_code == 202
    return response.headers["location"].partition("/v2/")[0]


@pytest.mark.parametrize(
    ("headers", "want"),
    [
        ({}, "http://registry.test"),
        ({"X_Forwarded_Proto": "https", "X_Forwarded_Host": "a.test, b.test"}, "https://a.test"),
        ({"X_Forwarded_Proto": "https"}, "https://registry.test"),
        ({"Forwarded": 'for=1.2.3.4;proto=https;host="a.test:8443", host=b.test'},
         "https://a.test:8443"),
        ({"Forwarded": "by=x", "X_Forwarded_Host": "a.test"}, "http://registry.test"),
        ({"X_Forwarded_Host": "a.test/evil"}, ""),
        ({"X_Forwarded_Proto": "javascript"}, ""),
        ({"Host": "[::1]:5000"}, "http://[::1]:5000"),
    ],
)  # fmt: skip
def test_location_follows_the_proxy(headers: dict[str, str], want: str) -> None:
    with client_of() as client:
        assert location(client, **headers) == want


@pytest.mark.parametrize(
    ("variables", "path", "want"),
    [
        ({"HTTP_RELATIVEURLS": "true"}, "/v2", ""),
        ({"HTTP_HOST": "https://hub.test/"}, "/v2", "https://hub.test"),
        ({"HTTP_PREFIX": "/hub/"}, "/hub/v2", "http://registry.test/hub"),
        ({"HTTP_PREFIX": "/hub/", "HTTP_RELATIVEURLS": "true"}, "/hub/v2", "/hub"),
        ({"HTTP_PREFIX": "/hub/", "HTTP_HOST": "https://h.test"}, "/hub/v2", "https://h.test/hub"),
    ],
)
def test_location_follows_the_configuration(
    variables: dict[str, str], path: str, want: str
) -> None:
    with client_of(**variables) as client:
        assert location(client, f"{path}/a/blobs/uploads/") == want


def test_nothing_is_served_outside_the_prefix() -> None:
    with client_of(HTTP_PREFIX="/hub/") as client:
        assert client.get("/v2/").status_code == 404
        assert client.get("/hub/v2/").status_code == 200
        assert client.get("/").status_code == 200


def test_application_works_mounted_in_another() -> None:
    inner = create_app(load(None, {"REGISTRY_STORAGE": "inmemory"}).configuration)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None, None]:
        async with inner.router.lifespan_context(inner):
            yield

    outer = Starlette(routes=[Mount("/registry", app=inner)], lifespan=lifespan)

    with TestClient(outer, base_url="http://registry.test") as client:
        assert client.get("/registry/v2/").status_code == 200
        started = location(client, "/registry/v2/a/blobs/uploads/")
        assert started == "http://registry.test/registry"


def test_configured_headers_are_in_every_answer() -> None:
    with client_of(HTTP_HEADERS="{X-Content-Type-Options: [nosniff]}") as client:
        assert client.get("/v2/").headers["x-content-type-options"] == "nosniff"
        assert client.get("/v2/a/tags/list").headers["x-content-type-options"] == "nosniff"
