"""Clients without an engine push, pull, copy, list and delete the image set."""

import hashlib
from pathlib import Path

import pytest
from tests.real.clients import COPIERS, Copier
from tests.real.programs import require_tool, run
from tests.real.registry import Registry
from tests.real.servers import StartEntrepot
from tests.real.site import Site
from tests.tools.images import Image

PAIRS = [(client, image) for client, each in COPIERS.items() for image in sorted(each.images)]
SBOM = "application/spdx+json"


@pytest.fixture(params=COPIERS)
def client(request: pytest.FixtureRequest) -> Copier:
    """Each of the clients."""
    return COPIERS[request.param]


def seed(site: Site, image_name: str, reference: str) -> Image:
    """Push an image by skopeo, for a test of what comes after."""
    image = site.image(image_name)
    COPIERS["skopeo"].push(image, reference, site.env)
    return image


def pulled_digests(folder: Path) -> set[str]:
    """The digests of a pulled image's files, those of a layout being named by them."""
    layout = folder / "blobs" / "sha256"
    files = list(layout.iterdir() if layout.exists() else folder.iterdir())
    found = {f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}" for file in files}
    if layout.exists():
        assert {f"sha256:{file.name}" for file in files} == found
    return found


@pytest.mark.parametrize(("name", "image_name"), PAIRS)
def test_image_returns_unchanged(name: str, image_name: str, site: Site) -> None:
    client, image = COPIERS[name], site.image(image_name)
    below = f"/{image_name}"

    client.push(image, site.reference(below=below), site.env)
    manifests, blobs = site.registry.verify(site.repository + below, "1")
    client.pull(site.reference(below=below), site.folder / "pulled", site.env)

    assert site.registry.digest(site.repository + below, "1") == image.digest
    assert manifests <= image.manifests
    assert blobs <= image.blobs
    assert pulled_digests(site.folder / "pulled") >= manifests | blobs


@pytest.mark.parametrize("image_name", ["twelve", "multi", "docker-list", "referrer"])
def test_copy_between_repositories(client: Copier, image_name: str, site: Site) -> None:
    image = seed(site, image_name, site.reference(below="/source"))

    client.copy(site.reference(below="/source"), site.reference("new", "/target"), site.env)

    assert site.registry.digest(f"{site.repository}/target", "new") == image.digest
    source = site.registry.verify(f"{site.repository}/source", "1")
    assert site.registry.verify(f"{site.repository}/target", "new") == source


def test_layers_compressed_on_the_way_arrive_whole(
    site: Site, entrepot_server: StartEntrepot
) -> None:
    # skopeo remembers what a registry holds: only to one it has not seen does it push anew.
    unseen, image = entrepot_server(), site.image("big")
    target = f"docker://{unseen.address}/compressed:1"

    run(
        require_tool("skopeo"),
        *("--insecure-policy", "copy", "--dest-tls-verify=false", image.source, target),
        env=site.env,
    )

    with Registry(unseen.url) as registry:
        _, blobs = registry.verify("compressed", "1")
    assert len(blobs) == 2
    assert len(blobs & image.blobs) == 1, "the config stays, the layer is another"


def test_tags_are_listed(client: Copier, site: Site) -> None:
    tags = ["1", "10", "latest", "v2"]
    for tag in tags:
        seed(site, "plain", site.reference(tag))

    listed = client.tags(site.reference().removesuffix(":1"), site.env)

    assert [tag for tag in listed if tag in tags] == tags


def test_deleted_tag_is_gone(client: Copier, site: Site) -> None:
    seed(site, "single", site.reference("doomed"))
    seed(site, "plain", site.reference("kept"))

    client.delete(site.reference("doomed"), site.env)

    assert site.registry.manifest(site.repository, "doomed").status_code == 404
    assert site.registry.tags(site.repository) == ["kept"]
    site.registry.verify(site.repository, "kept")


@pytest.mark.parametrize("name", ["oras", "regctl"])
def test_referrer_follows_its_subject(name: str, site: Site) -> None:
    image, client = site.image("referrer"), COPIERS[name]
    COPIERS["oras"].push(image, site.reference(below="/source"), site.env)

    client.copy(site.reference(below="/source"), site.reference(below="/target"), site.env)
    client.pull(site.reference(below="/target"), site.folder / "pulled", site.env)

    answer = site.registry.http.get(f"/v2/{site.repository}/target/referrers/{image.digest}")
    assert [each["artifactType"] for each in answer.json()["manifests"]] == [SBOM]
    assert pulled_digests(site.folder / "pulled") >= image.manifests | image.blobs
