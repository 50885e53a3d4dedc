"""A store that Distribution wrote, collected by us, served by Distribution again.

Among it is everything of which its own collector loses data.
"""

import json
import tempfile
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict, cast

import pytest
from tests.real.clients import COPIERS
from tests.real.folder import content
from tests.real.programs import clean_environment, environment, run
from tests.real.registry import Registry, hexadecimal
from tests.real.servers import Server, StartDistribution, entrepot_command
from tests.tools.images import Image

pytestmark = pytest.mark.real

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
FLAGS = {"plain": (), "untagged": ("-m",)}


class Collected(TypedDict):
    """What a collection says at its end."""

    deleted: dict[str, int]
    failed: int
    ended: bool


@dataclass(frozen=True, slots=True)
class Written:
    """A Distribution and what was pushed to it."""

    version: str
    server: Server
    registry: Registry

    @property
    def repositories(self) -> Path:
        return self.server.root / "docker/registry/v2/repositories"

    def collect(self, *flags: str) -> Collected:
        """Our collection while no server runs; afterwards Distribution serves again."""
        self.server.stop()
        command = [*entrepot_command(), "garbage-collect", "--offline", "--quiet", "--json"]
        said = run(*command, *flags, self.server.config_file, env=clean_environment())
        self.server.start()
        return cast("Collected", json.loads(said.splitlines()[-1])["result"])

    def push(self, image: Image, repository: str) -> None:
        with tempfile.TemporaryDirectory() as home:
            env = environment(Path(home))
            COPIERS["skopeo"].push(image, f"{self.server.address}/{repository}:1", env)

    def push_attached(self, repository: str, subject: str, layer: bytes) -> str:
        """An artifact without a tag, attached to a manifest; its digest."""
        found = self.registry.manifest(repository, subject)
        blobs = [self.registry.push_blob(repository, each) for each in (b"{}", layer)]
        manifest = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": "application/spdx+json",
            "config": described("application/vnd.oci.empty.v1+json", blobs[0], 2),
            "layers": [described("application/spdx+json", blobs[1], len(layer))],
            "subject": described(
                found.headers["Content-Type"], hexadecimal(found.content), len(found.content)
            ),
        }
        body = json.dumps(manifest).encode()
        digest = hexadecimal(body)
        answer = self.registry.push_manifest(repository, digest, body, OCI_MANIFEST)
        assert answer.status_code == 201, answer.text
        return digest


def described(media_type: str, digest: str, size: int) -> dict[str, object]:
    return {"mediaType": media_type, "digest": digest, "size": size}


@pytest.fixture(params=["2", "3"])
def written(
    request: pytest.FixtureRequest, distribution: StartDistribution
) -> Generator[Written, None, None]:
    version = cast("str", request.param)
    server = distribution(version)
    with Registry(server.url) as registry:
        yield Written(version, server, registry)
    server.stop()


@pytest.mark.parametrize("flags", FLAGS)
def test_all_that_is_needed_stays_and_the_rest_goes(
    written: Written, flags: str, image: Callable[[str], Image]
) -> None:
    names = ["single", "docker-list"]
    for name in names:
        written.push(image(name), f"kept/{name}")
    registry = written.registry
    written.push(image("single"), "attached")
    attached = written.push_attached("attached", "1", b"bill of materials")
    nested = written.push_attached("attached", attached, b"signature of the bill")
    first = registry.push_image("moving", "1", content("first"))
    second = registry.push_image("moving", "1", content("second"))
    orphan = registry.push_blob("orphans/only", b"orphan")
    torn = registry.push_image("torn", "1", content("torn"))
    registry.push_image("torn", "2", content("whole"))
    (written.repositories / "torn/_manifests/tags/1/current/link").write_bytes(b"")

    collected = written.collect(*FLAGS[flags])

    assert collected["failed"] == 0
    assert collected["ended"]
    for name in names:
        manifests, blobs = registry.verify(f"kept/{name}", "1")
        assert manifests <= image(name).manifests
        assert blobs <= image(name).blobs
    for digest in ("1", attached, nested):
        registry.verify("attached", digest)
    registry.verify("moving", second)
    registry.verify("torn", torn)
    registry.verify("torn", "2")
    assert registry.blob("orphans/only", orphan).status_code == 404
    assert registry.manifest("moving", first).status_code == (200 if flags == "plain" else 404)
    assert registry.push_image("moving", "again", content("first")) == first
    registry.verify("moving", "again")


@pytest.mark.parametrize("flags", FLAGS)
def test_blobs_pushed_by_sha512_stay(written: Written, flags: str) -> None:
    """Distribution keeps them under their sha256, and its collector deletes them."""
    written.registry.push_image("wide", "1", content("wide"), "sha512")
    unnamed = written.registry.push_blob("wide", b"unnamed", "sha512")

    collected = written.collect(*FLAGS[flags])

    _, blobs = written.registry.verify("wide", "1")
    assert sum(each.startswith("sha512:") for each in blobs) == 3
    assert written.registry.blob("wide", unnamed).status_code == 404
    assert collected["deleted"] == {"revision": 0, "layer": 2, "blob": 1}


def test_a_repository_without_tags(written: Written) -> None:
    """Distribution's collector leaves the links of its manifests and deletes their bytes."""
    registry = written.registry
    digest = registry.push_image("untagged", "1", content("untagged"))
    folder = written.repositories / "untagged/_manifests/tags"
    for path in sorted(folder.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    folder.rmdir()

    collected = written.collect()
    registry.verify("untagged", digest)
    assert sum(collected["deleted"].values()) == 0

    collected = written.collect("-m")
    assert registry.manifest("untagged", digest).status_code == 404
    assert collected["deleted"] == {"revision": 1, "layer": 4, "blob": 5}
    assert not list(written.repositories.rglob("link"))


def test_a_manifest_whose_bytes_are_lost(written: Written) -> None:
    """Its repository is left alone; the others are collected."""
    registry = written.registry
    digest = registry.push_image("broken", "1", content("broken"))
    registry.push_image("broken", "2", content("other"))
    registry.push_blob("broken", b"not needed")
    registry.push_blob("whole", b"garbage")
    hexes = digest.partition(":")[2]
    blobs = written.server.root / "docker/registry/v2/blobs/sha256"
    (blobs / hexes[:2] / hexes / "data").unlink()

    collected = written.collect("-m")

    assert collected["deleted"] == {"revision": 0, "layer": 1, "blob": 1}
    registry.verify("broken", "2")
    assert registry.blob("broken", hexadecimal(b"not needed")).status_code == 200
