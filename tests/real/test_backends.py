"""The whole registry on every backend: clients push and pull, list and delete."""

from collections.abc import Callable, Generator

import pytest
from tests.real.backends import BACKENDS, Backend
from tests.real.clients import COPIERS
from tests.real.registry import Registry, hexadecimal
from tests.real.servers import Server, StartEntrepot
from tests.real.site import Site
from tests.real.test_clients import pulled_digests
from tests.tools.images import Image

pytestmark = pytest.mark.parametrize("backend", BACKENDS, indirect=True, scope="module")

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def server(backend: Backend, entrepot_server: StartEntrepot) -> Generator[Server, None, None]:
    """Our server on the backend."""
    server = entrepot_server(backend.configuration)
    yield server
    server.stop()


@pytest.mark.parametrize("image_name", ["multi", "docker-list", "referrer", "big"])
def test_image_returns_unchanged(image_name: str, site: Site) -> None:
    client, image = COPIERS["skopeo"], site.image(image_name)
    repository, reference = (
        f"{site.repository}/{image_name}",
        site.reference(below=f"/{image_name}"),
    )

    client.push(image, reference, site.env)
    manifests, blobs = site.registry.verify(repository, "1")
    client.pull(reference, site.folder / "pulled", site.env)

    assert site.registry.digest(repository, "1") == image.digest
    assert manifests <= image.manifests
    assert blobs <= image.blobs
    assert pulled_digests(site.folder / "pulled") >= manifests | blobs


@pytest.mark.parametrize("name", ["crane", "oras", "regctl"])
def test_other_clients_push_and_pull(name: str, site: Site) -> None:
    client, image = COPIERS[name], site.image("twelve")

    client.push(image, site.reference(), site.env)
    client.pull(site.reference(), site.folder / "pulled", site.env)

    assert site.registry.digest(site.repository, "1") == image.digest
    assert pulled_digests(site.folder / "pulled") >= image.manifests | image.blobs


def test_upload_in_chunks_of_all_sizes(site: Site) -> None:
    """Chunks smaller and larger than what a backend takes as a part, none of them aligned."""
    content = bytes(range(251)) * (23 * MIB // 251)
    sizes, offset = [1, 3 * MIB, 7, 12 * MIB + 1, 5 * MIB, 2], 0
    location = site.registry.begin_upload(site.repository)

    for size in sizes:
        chunk = content[offset : offset + size]
        answer = site.registry.http.patch(location, content=chunk)
        assert answer.status_code == 202, answer.text
        location, offset = answer.headers["Location"], offset + len(chunk)
    digest = hexadecimal(content)
    answer = site.registry.http.put(f"{location}&digest={digest}", content=content[offset:])

    assert answer.status_code == 201, answer.text
    assert site.registry.blob(site.repository, digest).content == content


def test_range_of_a_blob(site: Site) -> None:
    content = bytes(range(256)) * 8192
    digest = site.registry.push_blob(site.repository, content)
    path = f"/v2/{site.repository}/blobs/{digest}"

    answers = {
        wanted: site.registry.http.get(
            path, headers={"Range": f"bytes={wanted}"}, follow_redirects=True
        )
        for wanted in ("0-0", "1000000-1000009", "2097151-", "-5")
    }

    assert {wanted: answer.status_code for wanted, answer in answers.items()} == dict.fromkeys(
        answers, 206
    )
    assert [answer.content for answer in answers.values()] == [
        content[:1],
        content[1000000:1000010],
        content[-1:],
        content[-5:],
    ]


def test_tags_are_listed_and_deleted(site: Site) -> None:
    for tag in ("b", "a", "C", "1.0", "_x", "a-b", "a.b"):
        site.registry.push_image(site.repository, tag, [b"layer"])

    listed = site.registry.tags(site.repository)
    deleted = site.registry.delete(site.repository, "a")

    assert listed == sorted(listed, key=str.encode)
    assert set(listed) == {"b", "a", "C", "1.0", "_x", "a-b", "a.b"}
    assert deleted == 202
    assert set(site.registry.tags(site.repository)) == set(listed) - {"a"}


def test_repository_is_in_the_catalogue(site: Site) -> None:
    site.registry.push_image(f"{site.repository}/below", "1", [b"layer"])

    listed = site.registry.http.get("/v2/_catalog", params={"n": "1000"}).json()["repositories"]

    assert f"{site.repository}/below" in listed


def test_cancelled_upload_leaves_nothing(backend: Backend, site: Site) -> None:
    location = site.registry.begin_upload(site.repository)
    answer = site.registry.http.patch(location, content=bytes(6 * MIB))

    cancelled = site.registry.http.delete(answer.headers["Location"])

    assert (answer.status_code, cancelled.status_code) == (202, 204)
    assert [key for key in backend.bucket.objects() if site.repository in key] == []
    assert backend.bucket.unfinished() == []


def test_another_process_serves_the_same(
    backend: Backend,
    site: Site,
    entrepot_server: StartEntrepot,
    image: Callable[[str], Image],
) -> None:
    COPIERS["skopeo"].push(image("many"), site.reference(), site.env)
    second = entrepot_server(backend.configuration)

    with Registry(second.url) as registry:
        assert registry.digest(site.repository, "1") == image("many").digest
        registry.verify(site.repository, "1")
    second.stop()
