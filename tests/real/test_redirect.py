"""Clients are sent to the store itself for blobs, and the registry sends none of their bytes."""

import re
from collections.abc import Generator
from typing import Any

import httpx2
import pytest
from tests.real.backends import Backend
from tests.real.clients import COPIERS
from tests.real.debugging import until
from tests.real.registry import Registry
from tests.real.servers import Server, StartEntrepot
from tests.real.site import Site
from tests.real.test_clients import pulled_digests

pytestmark = pytest.mark.parametrize("backend", ["s3", "azure"], indirect=True, scope="module")

STREAMED = "127.0.0.2"
LINE = re.compile(r'"GET /v2/(\S+)/blobs/(\S+) HTTP/1.1" (\d+) (\d+) ')


@pytest.fixture(scope="module")
def server(backend: Backend, entrepot_server: StartEntrepot) -> Generator[Server, None, None]:
    """Our server, which may send clients to the store, but for those at one address."""
    settings: dict[str, Any] = backend.configured(redirect=True)
    settings["storage"]["redirect"]["exceptnetworks"] = [STREAMED]
    server = entrepot_server(settings)
    yield server
    server.stop()


def blobs_asked_for(site: Site) -> list[tuple[str, int, int]]:
    """Digest, status and bytes of every answer to a GET of a blob of the site's repository."""
    found = LINE.findall(site.server.log.read_text())
    return [
        (digest, int(status), int(size))
        for name, digest, status, size in found
        if name == site.repository
    ]


@pytest.mark.parametrize("name", COPIERS)
def test_pull_through_redirects(name: str, site: Site) -> None:
    client, image = COPIERS[name], site.image("twelve")
    COPIERS["skopeo"].push(image, site.reference(), site.env)

    client.pull(site.reference(), site.folder / "pulled", site.env)

    assert pulled_digests(site.folder / "pulled") >= image.manifests | image.blobs
    until(  # lines of the log come behind the answers
        lambda: {digest for digest, _, _ in blobs_asked_for(site)} >= image.blobs,
        "not every blob is in the log",
    )
    assert {(status, size) for _, status, size in blobs_asked_for(site)} == {(307, 0)}


def test_link_gives_ranges_and_lets_nobody_else_in(site: Site, registry: Registry) -> None:
    content = b"linked " * 100_000
    digest = registry.push_blob(site.repository, content)
    answer = registry.http.get(f"/v2/{site.repository}/blobs/{digest}")
    link = answer.headers["Location"]

    part = registry.http.get(link, headers={"Range": "bytes=7-13"})
    tampered = registry.http.get(link.replace("/data?", "/date?"))
    unsigned = registry.http.get(link.partition("?")[0])

    assert answer.status_code == 307
    assert (part.status_code, part.content) == (206, b"linked ")
    assert tampered.status_code in {403, 404}
    assert unsigned.status_code in {401, 403, 404, 409}
    assert link not in site.server.log.read_text()


def test_range_is_kept_on_the_way_to_the_store(site: Site, registry: Registry) -> None:
    digest = registry.push_blob(site.repository, b"0123456789")

    answer = registry.http.get(
        f"/v2/{site.repository}/blobs/{digest}",
        headers={"Range": "bytes=2-4"},
        follow_redirects=True,
    )

    assert [one.status_code for one in answer.history] == [307]
    assert (answer.status_code, answer.content) == (206, b"234")
    assert answer.headers["Content-Range"] == "bytes 2-4/10"


def test_client_of_an_excepted_network_gets_the_bytes(site: Site, registry: Registry) -> None:
    digest = registry.push_blob(site.repository, b"0123456789")
    excepted = httpx2.HTTPTransport(local_address=STREAMED)

    with httpx2.Client(base_url=site.server.url, transport=excepted) as client:
        whole = client.get(f"/v2/{site.repository}/blobs/{digest}")
        part = client.get(f"/v2/{site.repository}/blobs/{digest}", headers={"Range": "bytes=2-4"})

    assert (whole.status_code, whole.content) == (200, b"0123456789")
    assert (part.status_code, part.content) == (206, b"234")


def test_head_is_answered_by_the_registry(site: Site, registry: Registry) -> None:
    digest = registry.push_blob(site.repository, b"headed")

    answer = registry.http.head(f"/v2/{site.repository}/blobs/{digest}", follow_redirects=True)

    assert answer.status_code == 200
    assert answer.headers["Content-Length"] == "6"
