"""Pulls that go past the registry: a blob's GET is answered with the backend's own URL."""

from __future__ import annotations

import logging
import types
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from typing import Literal

import pytest
from starlette.testclient import TestClient
from tests.server.conftest import Pusher, sha

from entrepot.core import (
    Driver,
    DriverOptions,
    RegisterDriver,
    UnavailableError,
    hookimpl,
)
from entrepot.core.configuration import load
from entrepot.core.plugins import Plugins
from entrepot.core.testing import Fault, FaultyDriver
from entrepot.drivers.inmemory import InMemoryDriver
from entrepot.server.app import create_app

SMALL = b"small"
LARGE = bytes(range(256)) * 4096  # more than what is kept in memory
DATA = "docker/registry/v2/blobs/sha256/"


class Linked(FaultyDriver):
    """Keeps all in memory, and says that it can be had elsewhere."""

    url: str | None = "https://bucket.test/"

    async def link(self, key: str, method: Literal["GET", "HEAD"], seconds: int) -> str | None:
        await super().link(key, method, seconds)
        return f"{self.url}{key}?seconds={seconds}&signature=a%2Fb" if self.url else None

    def asked(self) -> list[tuple[str, str]]:
        """The calls since the last time, without those for the repository's link."""
        calls, self.calls = self.calls, []
        return [(call, key) for call, key in calls if not key.endswith("/link")]


def client_over(driver: Driver, **variables: str) -> TestClient:
    @asynccontextmanager
    async def opened(_: DriverOptions) -> AsyncGenerator[Driver, None]:
        yield driver

    @hookimpl
    def register_drivers(register: RegisterDriver) -> None:
        register("linked", opened, DriverOptions)

    plugin = types.ModuleType("plugin")
    vars(plugin).update(register_drivers=register_drivers)
    plugins = Plugins()
    plugins.add(plugin, "linked")
    environment = {f"REGISTRY_{name}": value for name, value in variables.items()}
    configuration = load(None, {"REGISTRY_STORAGE": "linked"} | environment).configuration
    app = create_app(configuration, plugins)
    return TestClient(app, base_url="http://registry.test", follow_redirects=False)


@pytest.fixture
def driver() -> Linked:
    return Linked(InMemoryDriver())


@pytest.fixture
def client(driver: Linked) -> Generator[TestClient, None, None]:
    with client_over(driver) as client:
        yield client


def key_of(digest: str) -> str:
    hexadecimal = digest.removeprefix("sha256:")
    return f"{DATA}{hexadecimal[:2]}/{hexadecimal}/data"


@pytest.mark.parametrize("content", [SMALL, LARGE, b""], ids=["small", "large", "empty"])
def test_get_is_sent_to_the_backend(client: TestClient, push: Pusher, content: bytes) -> None:
    digest = push.blob("a", content)

    response = client.get(f"/v2/a/blobs/{digest}")

    url = f"https://bucket.test/{key_of(digest)}?seconds=1200&signature=a%2Fb"
    assert response.status_code == 307
    assert dict(response.headers) == {
        "location": url,
        "docker-content-digest": digest,
        "content-length": "0",
        "docker-distribution-api-version": "registry/2.0",
    }
    assert response.content == b""


def test_nothing_is_read_and_existence_is_asked_once(
    client: TestClient, push: Pusher, driver: Linked
) -> None:
    digest = push.blob("a", SMALL)
    driver.asked()

    client.get(f"/v2/a/blobs/{digest}")

    assert driver.asked() == [("stat", key_of(digest)), ("link", key_of(digest))]


def test_range_is_left_to_the_backend(client: TestClient, push: Pusher) -> None:
    digest = push.blob("a", LARGE)

    for header in ("bytes=0-9", "bytes=99999999-", "bytes=x"):
        response = client.get(f"/v2/a/blobs/{digest}", headers={"Range": header})
        assert response.status_code == 307


def test_head_is_answered_by_the_registry(client: TestClient, push: Pusher, driver: Linked) -> None:
    digest = push.blob("a", LARGE)
    driver.asked()

    response = client.head(f"/v2/a/blobs/{digest}")

    assert response.status_code == 200
    assert response.headers["content-length"] == str(len(LARGE))
    assert driver.asked() == [("stat", key_of(digest))]


def test_client_that_has_it_is_told_so(client: TestClient, push: Pusher, driver: Linked) -> None:
    digest = push.blob("a", SMALL)
    driver.asked()

    response = client.get(f"/v2/a/blobs/{digest}", headers={"If-None-Match": f'"{digest}"'})

    assert response.status_code == 304
    assert driver.asked() == [("stat", key_of(digest))]


def test_manifest_is_never_redirected(client: TestClient, push: Pusher) -> None:
    digest, content = push.image("a", "latest")

    for reference in ("latest", digest):
        assert client.get(f"/v2/a/manifests/{reference}").content == content


def test_blob_that_another_repository_has_is_unknown(client: TestClient, push: Pusher) -> None:
    assert client.get(f"/v2/b/blobs/{push.blob('a', SMALL)}").status_code == 404


@pytest.mark.anyio
async def test_blob_whose_bytes_are_gone_is_unknown(driver: Linked) -> None:
    with client_over(driver) as client:
        digest = Pusher(client).blob("a", SMALL)
        await driver.delete([key_of(digest)])

        assert client.get(f"/v2/a/blobs/{digest}").status_code == 404


@pytest.mark.parametrize("value", ["true", "True", "1"])
def test_redirects_can_be_disabled(driver: Linked, value: str) -> None:
    with client_over(driver, STORAGE_REDIRECT_DISABLE=value) as client:
        digest = Pusher(client).blob("a", LARGE)

        assert client.get(f"/v2/a/blobs/{digest}").content == LARGE
    assert "link" not in [call for call, _ in driver.calls]


@pytest.mark.parametrize("section", ["{disable: false}", "{disable: }", ""])
def test_redirects_are_on_unless_disabled(driver: Linked, section: str) -> None:
    with client_over(driver, STORAGE_REDIRECT=section) as client:
        digest = Pusher(client).blob("a", SMALL)

        assert client.get(f"/v2/a/blobs/{digest}").status_code == 307


def test_driver_without_a_link_streams(client: TestClient, push: Pusher, driver: Linked) -> None:
    digest = push.blob("a", LARGE)
    driver.url = None

    assert client.get(f"/v2/a/blobs/{digest}").content == LARGE
    response = client.get(f"/v2/a/blobs/{digest}", headers={"Range": "bytes=1-2"})
    assert response.content == LARGE[1:3]


def test_failing_links_are_streamed_instead_and_logged_once_until_they_work(
    client: TestClient, push: Pusher, driver: Linked, caplog: pytest.LogCaptureFixture
) -> None:
    digest = push.blob("a", LARGE)
    error = UnavailableError("", "no key to sign with")

    for _ in range(2):
        driver.faults = [Fault("link", error, times=2)]
        with caplog.at_level(logging.WARNING, "entrepot.core"):
            answers = [client.get(f"/v2/a/blobs/{digest}").status_code for _ in range(3)]
        assert answers == [200, 200, 307]
    told = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert (
        told
        == ["no links to blobs can be made, they are streamed: linked: no key to sign with"] * 2
    )


def test_what_is_in_memory_is_sent_from_there(
    client: TestClient, push: Pusher, driver: Linked
) -> None:
    digest = push.blob("a", SMALL)
    driver.faults = [Fault("link", UnavailableError("", "late"))]
    client.get(f"/v2/a/blobs/{digest}")
    driver.asked()

    assert client.get(f"/v2/a/blobs/{digest}").content == SMALL
    assert driver.asked() == []


def test_url_cannot_add_a_header(client: TestClient, push: Pusher, driver: Linked) -> None:
    digest = push.blob("a", SMALL)
    driver.url = "https://bucket.test/ä\r\nSet-Cookie: a=b\r\n"

    response = client.get(f"/v2/a/blobs/{digest}")

    assert response.headers["location"].startswith("https://bucket.test/%C3%A4%0D%0ASet-Cookie:")
    assert "set-cookie" not in response.headers


def test_blob_of_another_algorithm_is_found_where_it_is_stored(
    client: TestClient, push: Pusher
) -> None:
    digest = push.blob("a", SMALL, "sha512")

    response = client.get(f"/v2/a/blobs/{digest}")

    assert sha(SMALL, "sha512").removeprefix("sha512:") in response.headers["location"]
    assert response.headers["docker-content-digest"] == digest
