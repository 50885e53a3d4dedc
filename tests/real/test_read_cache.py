"""The cache middleware over an object store, with real clients pulling through it."""

import hashlib
from collections.abc import Generator
from pathlib import Path

import pytest
from tests.real.backends import Backend
from tests.real.clients import COPIERS
from tests.real.debugging import until
from tests.real.servers import Server, StartEntrepot
from tests.real.site import Site
from tests.real.test_clients import pulled_digests
from tests.real.test_redirect import blobs_asked_for

pytestmark = pytest.mark.parametrize("backend", ["s3"], indirect=True, scope="module")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def server(
    backend: Backend, folder: Path, entrepot_server: StartEntrepot
) -> Generator[Server, None, None]:
    """Our server, which could send clients to the store, but has a cache."""
    cache = {"name": "cache", "options": {"rootdirectory": str(folder), "size": "1GiB"}}
    around: dict[str, object] = {"middleware": {"storage": [cache]}}
    server = entrepot_server(backend.configured(redirect=True) | around)
    yield server
    server.stop()


@pytest.mark.parametrize("name", COPIERS)
def test_pull_through_the_cache(name: str, site: Site, folder: Path) -> None:
    client, image = COPIERS[name], site.image("twelve")
    COPIERS["skopeo"].push(image, site.reference(), site.env)

    for pulled in ("first", "second"):
        client.pull(site.reference(), site.folder / pulled, site.env)
        assert pulled_digests(site.folder / pulled) >= image.manifests | image.blobs

    until(  # lines of the log come behind the answers
        lambda: {digest for digest, _, _ in blobs_asked_for(site)} >= image.blobs,
        "not every blob is in the log",
    )
    assert {status for _, status, _ in blobs_asked_for(site)} == {200}
    copies = {
        f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}": path.name
        for path in folder.glob("v1/copies/sha256/*/*")
    }
    assert copies.keys() >= image.blobs
    assert all(digest == f"sha256:{name.partition('.')[0]}" for digest, name in copies.items())
