"""Distribution's garbage collector over a folder that holds our data."""

from collections.abc import Callable, Generator

import pytest
from tests.real.folder import SIDES, Folder, content, shared_folder
from tests.real.registry import hexadecimal
from tests.real.servers import StartDistribution, StartEntrepot
from tests.tools.images import Image

FLAGS = {"plain": (), "untagged": ("-m",)}
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@pytest.fixture(params=["2", "3"])
def folder(
    request: pytest.FixtureRequest,
    entrepot_server: StartEntrepot,
    distribution: StartDistribution,
) -> Generator[Folder, None, None]:
    """A fresh shared folder: a collector removes what other tests left."""
    with shared_folder(request.param, entrepot_server, distribution) as shared:
        yield shared


@pytest.mark.parametrize("flags", FLAGS)
def test_all_that_is_tagged_survives(
    folder: Folder, flags: str, image: Callable[[str], Image]
) -> None:
    names = ["single", "twelve", "docker", "zstd", "referrer"]
    # Distribution 2 takes the children of a tagged index for untagged, whoever wrote them.
    if (folder.version, flags) != ("2", "untagged"):
        names += ["multi", "docker-list"]
    for name in names:
        folder.push("ours", image(name), f"kept/{name}")
    orphan = folder.ours.push_blob("kept/single", b"orphan")

    folder.collect_offline(*FLAGS[flags])

    for registry in folder.sides.values():
        assert registry.blob("kept/single", orphan).status_code == 404
        for name in names:
            manifests, blobs = registry.verify(f"kept/{name}", "1")
            assert manifests <= image(name).manifests
            assert blobs <= image(name).blobs


def test_what_the_collector_took_is_unknown_to_ours(folder: Folder) -> None:
    first = folder.ours.push_image("moving", "1", content("first"))
    second = folder.ours.push_image("moving", "1", content("second"))

    folder.collect_offline("-m")

    for registry in folder.sides.values():
        assert registry.manifest("moving", first).status_code == 404
        registry.verify("moving", second)
    again = folder.ours.push_image("moving", "2", content("first"))
    assert again == first
    for side in SIDES:
        folder.sides[side].verify("moving", first)


@pytest.mark.parametrize("flags", FLAGS)
def test_referrers_that_are_listed_are_there(
    folder: Folder, flags: str, image: Callable[[str], Image]
) -> None:
    attached = image("referrer")
    for digest in (attached.digest, *(attached.manifests - {attached.digest})):
        push_from_disk(folder, attached, digest)
    folder.push("ours", attached, "attached")

    folder.collect_offline(*FLAGS[flags])

    answer = folder.ours.http.get(f"/v2/attached/referrers/{attached.digest}")
    listed = [str(each["digest"]) for each in answer.json()["manifests"]]
    assert answer.status_code == 200
    assert len(listed) == (1 if flags == "plain" else 0)
    for digest in listed:
        folder.ours.verify("attached", digest)


def push_from_disk(folder: Folder, image: Image, digest: str) -> None:
    """Push one manifest of a layout, and all its blobs, to ours."""
    blobs = image.folder / "blobs"
    for blob in image.blobs:
        folder.ours.push_blob("attached", (blobs / blob.replace(":", "/")).read_bytes())
    body = (blobs / digest.replace(":", "/")).read_bytes()
    assert folder.ours.push_manifest("attached", digest, body, OCI_MANIFEST).status_code == 201


@pytest.mark.parametrize("flags", FLAGS)
def test_sha512_content_of_ours_survives(folder: Folder, flags: str) -> None:
    digest = folder.ours.push_image("wide", "1", content("wide"), "sha512")

    folder.collect_offline(*FLAGS[flags])

    for registry in folder.sides.values():
        manifests, blobs = registry.verify("wide", "1")
        assert manifests == {digest}
        assert sum(each.startswith("sha512:") for each in blobs) == 3


def test_manifest_named_by_sha512_survives(folder: Folder) -> None:
    folder.ours.push_image("wide", "1", content("named"))
    body = folder.ours.manifest("wide", "1").content.replace(b"{", b"{ ", 1)
    digest = hexadecimal(body, "sha512")
    assert folder.ours.push_manifest("wide", digest, body, OCI_MANIFEST).status_code == 201

    folder.collect_offline()

    folder.ours.verify("wide", digest)
    folder.theirs.verify("wide", digest)
