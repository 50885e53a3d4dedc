"""A store that fails while the registry serves: told to clients, and over when it is over."""

import re
import time
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from tests.real.backends import CLOUDS, Backend
from tests.real.obstacle import Mode, Obstacle, obstacle
from tests.real.registry import Registry, hexadecimal
from tests.real.servers import Server, StartEntrepot

pytestmark = pytest.mark.parametrize("backend", CLOUDS, indirect=True, scope="module")

MODES: list[Mode] = ["gone", "silent", "busy"]
PATIENCE = 120.0  # seconds in which a client has its answer, whatever the store does
RECOVERY = 30.0  # seconds in which all is well again
HURRY: dict[str, dict[str, Any]] = {  # else a silent store is given up after a minute
    "s3": {"timeout": "4s"},
    "gcs": {"timeout": "4s"},
    "azure": {"timeout": "8s", "max_retries": 1},
}
MIB = 1024 * 1024


@dataclass
class Outage:
    """A registry, and what stands between it and its store."""

    server: Server
    way: Obstacle
    registry: Registry

    def lines(self, since: int) -> list[str]:
        """What the server logged past that offset, but for requests."""
        text = self.server.log.read_text(errors="replace")[since:]
        return [line for line in text.splitlines() if "HTTP/1.1" not in line]

    def logged(self) -> int:
        """The present end of the log."""
        return len(self.server.log.read_text(errors="replace"))


@pytest.fixture(scope="module")
def outage(backend: Backend, entrepot_server: StartEntrepot) -> Generator[Outage, None, None]:
    """Our server behind an obstacle that is open."""
    with obstacle(backend.endpoint) as way:
        options = HURRY[backend.driver]
        server = entrepot_server(backend.configured(endpoint=way.address, **options))
        with Registry(server.url) as registry:
            registry.http.timeout = httpx2.Timeout(PATIENCE)
            yield Outage(server, way, registry)
        server.stop()


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest, outage: Outage) -> Generator[Mode, None, None]:
    """Each way to fail; open again at the end."""
    yield request.param
    outage.way.become("open")


def recovered(ask: Callable[[], httpx2.Response], status: int) -> httpx2.Response:
    """The answer when all is well again, without a restart.

    The server hangs up when it refused a request that had not come in full. A client that asks
    on that connection at the same moment has no answer, and asks anew, as every client does.
    """
    deadline = time.monotonic() + RECOVERY
    while time.monotonic() < deadline:
        with suppress(httpx2.NetworkError, httpx2.RemoteProtocolError):
            answer = ask()
            if answer.status_code == status:
                return answer
        time.sleep(0.5)
    return ask()


def refusal(outage: Outage, before: int) -> list[str]:
    """What was logged up to the refusal; the log is written behind the answer."""
    deadline, lines = time.monotonic() + RECOVERY, outage.lines(before)
    while not any("response completed with error" in line for line in lines):
        assert time.monotonic() < deadline, lines
        time.sleep(0.05)
        lines = outage.lines(before)
    return lines


def test_pull_is_told_to_come_again(
    outage: Outage, mode: Mode, backend: Backend, repository: str
) -> None:
    digest = outage.registry.push_image(repository, "1", [b"layer of " + repository.encode()])
    before = outage.logged()

    outage.way.become(mode)
    refused = outage.registry.manifest(repository, "1")
    lines = refusal(outage, before)
    outage.way.become("open")
    after = recovered(lambda: outage.registry.manifest(repository, "1"), 200)

    assert refused.status_code == 503, refused.text
    assert int(refused.headers["Retry-After"]) >= 1
    assert refused.json()["errors"][0]["code"] == "UNAVAILABLE"
    told = [line for line in lines if f'msg="storage: {backend.driver}:' in line]
    assert len(told) == 1, lines
    assert re.search(rf"{repository}/_manifests/tags/1/current/link: \w", told[0]), told
    assert not [line for line in lines if "Traceback" in line], lines
    assert not [secret for secret in backend.secrets if any(secret in line for line in lines)]
    assert after.status_code == 200, after.text
    outage.registry.verify(repository, digest)


def test_push_goes_on_afterwards(outage: Outage, mode: Mode, repository: str) -> None:
    content = bytes(range(256)) * (8 * MIB // 256) + repository.encode()
    location = outage.registry.begin_upload(repository)
    answer = outage.registry.http.patch(location, content=content[: 6 * MIB])
    assert answer.status_code == 202, answer.text
    location = answer.headers["Location"]

    outage.way.become(mode)
    failed = outage.registry.http.patch(location, content=content[6 * MIB :])
    outage.way.become("open")
    held = recovered(lambda: outage.registry.http.get(location), 204)

    assert failed.status_code == 503, failed.text
    assert held.status_code == 204, held.text
    size = int(held.headers["Range"].split("-")[1]) + 1
    assert 6 * MIB <= size <= len(content)
    put = f"{held.headers['Location']}&digest="
    digest = hexadecimal(content)
    done = outage.registry.http.put(put + digest, content=content[size:])
    assert done.status_code == 201, done.text
    assert outage.registry.blob(repository, digest).content == content


@pytest.mark.parametrize("mode", ["gone", "busy"], indirect=True)  # silence takes its time
def test_store_that_fails_is_not_taken_for_an_empty_one(
    outage: Outage, mode: Mode, repository: str
) -> None:
    outage.registry.push_image(repository, "1", [b"layer"])
    digest = outage.registry.push_blob(repository, b"blob of " + repository.encode())

    outage.way.become(mode)
    blob = outage.registry.http.head(f"/v2/{repository}/blobs/{digest}")
    tags = outage.registry.http.get(f"/v2/{repository}/tags/list")

    assert (blob.status_code, tags.status_code) == (503, 503)


def test_object_deleted_underneath_is_not_found(
    outage: Outage, backend: Backend, repository: str
) -> None:
    layer = b"deleted underneath " + repository.encode() * 200_000
    digest = outage.registry.push_blob(repository, layer)
    (key,) = (
        key
        for key in backend.bucket.objects()
        if digest.partition(":")[2] in key and key.endswith("/data")
    )

    backend.bucket.delete(key)
    answer = outage.registry.blob(repository, digest)
    again = outage.registry.push_blob(repository, layer)

    assert answer.status_code == 404
    assert answer.json()["errors"][0]["code"] == "BLOB_UNKNOWN"
    assert again == digest
    assert outage.registry.blob(repository, digest).content == layer
