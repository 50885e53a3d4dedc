"""Engines push and pull: podman, buildah, Docker and containerd."""

import json
import tarfile
from collections.abc import Generator
from pathlib import Path

import pytest
from tests.real import engines
from tests.real.clients import COPIERS
from tests.real.engines import Engine
from tests.real.programs import require_tool, run
from tests.real.site import Site


@pytest.fixture(scope="module")
def docker() -> Generator[Engine, None, None]:
    """A Docker engine for this module."""
    with engines.docker() as engine:
        yield engine


@pytest.fixture(scope="module")
def containerd() -> Generator[Engine, None, None]:
    """A containerd for this module."""
    with engines.containerd() as engine:
        yield engine


@pytest.fixture(params=["podman", "buildah"])
def storage_client(request: pytest.FixtureRequest) -> Generator[Engine, None, None]:
    """podman and buildah, each with an empty storage."""
    with engines.storage(request.param) as client:
        yield client


def archive(folder: Path, target: Path) -> Path:
    """An OCI layout as one tar file, as containerd imports it."""
    with tarfile.open(target, "w") as packed:
        packed.add(folder, arcname=".")
    return target


def image_id(site: Site, repository: str) -> str:
    """The digest of the config, by which engines name an image."""
    body = json.loads(site.registry.manifest(repository, "1").content)
    return str(body["config"]["digest"])


@pytest.mark.parametrize("image_name", ["single", "twelve", "zstd", "many", "docker"])
def test_storage_client_pushes_and_pulls(
    storage_client: Engine, image_name: str, site: Site
) -> None:
    storage_client("pull", "-q", site.image(image_name).source)
    pulled = storage_client("images", "-q", "--no-trunc").split()[0]

    storage_client("push", "--tls-verify=false", pulled, site.reference())
    site.registry.verify(site.repository, "1")
    storage_client("rmi", "-f", pulled)
    again = storage_client("pull", "-q", "--tls-verify=false", site.reference()).strip()

    assert image_id(site, site.repository) == f"sha256:{again}"


def test_buildah_builds_from_what_it_pulls(site: Site) -> None:
    COPIERS["skopeo"].push(site.image("busybox"), site.reference(below="/base"), site.env)
    recipe = site.folder / "build" / "Containerfile"
    recipe.parent.mkdir()
    recipe.write_text(f"FROM {site.reference(below='/base')}\nCOPY Containerfile /goods\n")

    with engines.storage("buildah") as buildah:
        target = site.reference(below="/built")
        buildah("bud", "--isolation=chroot", "--tls-verify=false", "-t", target, recipe.parent)
        buildah("push", "--tls-verify=false", target)

    manifests, blobs = site.registry.verify(f"{site.repository}/built", "1")
    assert (len(manifests), len(blobs)) == (1, 3)


@pytest.mark.parametrize("image_name", ["single", "twelve", "many", "busybox"])
def test_docker_pushes_and_pulls(docker: Engine, image_name: str, site: Site) -> None:
    loaded = site.folder / "image.tar"
    source = site.image(image_name).source
    run(
        *(require_tool("skopeo"), "--insecure-policy", "copy", source),
        f"docker-archive:{loaded}:{site.reference()}",
        env=site.env,
    )
    docker("load", "-q", "-i", loaded)
    identity = docker("image", "inspect", "-f", "{{.Id}}", site.reference()).strip()

    docker("push", "-q", site.reference())
    site.registry.verify(site.repository, "1")
    docker("rmi", site.reference())
    docker("pull", "-q", site.reference())

    assert image_id(site, site.repository) == identity
    assert docker("image", "inspect", "-f", "{{.Id}}", site.reference()).strip() == identity


@pytest.mark.parametrize("image_name", ["multi", "docker", "docker-list", "plain"])
def test_docker_pulls_what_others_pushed(docker: Engine, image_name: str, site: Site) -> None:
    image = site.image(image_name)
    COPIERS["skopeo"].push(image, site.reference(), site.env)

    docker("pull", "-q", site.reference())

    digests = json.loads(
        docker("image", "inspect", "-f", "{{json .RepoDigests}}", site.reference())
    )
    assert [each.partition("@")[2] for each in digests] == [image.digest]


def test_docker_runs_what_it_pulled(docker: Engine, site: Site) -> None:
    COPIERS["skopeo"].push(site.image("busybox"), site.reference(), site.env)

    docker("pull", "-q", site.reference())
    said = docker("run", "--rm", "--network=none", site.reference())

    assert said == "goods arrived\n"


@pytest.mark.parametrize("image_name", ["single", "twelve", "multi", "zstd", "plain", "many"])
def test_containerd_pushes_and_pulls(containerd: Engine, image_name: str, site: Site) -> None:
    image = site.image(image_name)
    packed = archive(image.folder, site.folder / "layout.tar")
    base = site.reference().removesuffix(":1")
    containerd("images", "import", "--no-unpack", "--all-platforms", "--base-name", base, packed)

    containerd("images", "push", "--plain-http", site.reference())
    manifests, blobs = site.registry.verify(site.repository, "1")
    containerd("images", "rm", "--sync", site.reference())
    containerd("content", "prune", "references")
    containerd("images", "pull", "--plain-http", "--all-platforms", site.reference())

    assert site.registry.digest(site.repository, "1") == image.digest
    assert manifests == set(image.manifests)
    assert blobs == set(image.blobs)
    assert image.digest in containerd("images", "ls")
    containerd("images", "rm", "--sync", site.reference())
