"""Our server and Distribution's take turns over one storage, and neither notices."""

import hashlib
from collections.abc import Callable, Generator

import httpx2
import pytest
from tests.real.backends import open_backend
from tests.real.folder import SIDES, Folder, content, shared_folder
from tests.real.servers import StartDistribution, StartEntrepot
from tests.tools.images import Image

IMAGES = ["single", "twelve", "multi", "docker", "docker-list", "zstd", "many"]
SHARED = [
    ("2", "filesystem"),
    ("3", "filesystem"),
    ("2", "s3-ministack"),  # SeaweedFS lists folders that are empty, 2 takes them for tags
    ("3", "s3"),
    ("3", "azure"),
]


@pytest.fixture(scope="module", params=SHARED, ids="-on-".join)
def folder(
    request: pytest.FixtureRequest,
    entrepot_server: StartEntrepot,
    distribution: StartDistribution,
) -> Generator[Folder, None, None]:
    """The shared storage, for each Distribution."""
    version, storage = request.param
    with (
        open_backend(storage) as backend,
        shared_folder(version, entrepot_server, distribution, backend) as shared,
    ):
        yield shared


@pytest.fixture(params=SIDES)
def side(request: pytest.FixtureRequest) -> str:
    """The side that begins."""
    return str(request.param)


@pytest.mark.parametrize("image_name", IMAGES)
def test_image_pushed_to_one_side_is_served_by_the_other(
    folder: Folder, side: str, image_name: str, repository: str, image: Callable[[str], Image]
) -> None:
    folder.push(side, image(image_name), repository)

    manifests, blobs = folder.other(side).verify(repository, "1")

    assert folder.other(side).digest(repository, "1") == image(image_name).digest
    assert manifests == set(image(image_name).manifests)
    assert blobs == set(image(image_name).blobs)


def test_tags_are_the_same_on_both_sides(folder: Folder, side: str, repository: str) -> None:
    for tag in ("b", "a", "C", "1.0", "_x"):
        folder.sides[side].push_image(repository, tag, content(repository))

    listed = folder.other(side).tags(repository)

    # Distribution 2 lists tags in no order.
    assert sorted(listed) == ["1.0", "C", "_x", "a", "b"]


def test_tag_overwritten_by_the_other_side(folder: Folder, side: str, repository: str) -> None:
    first = folder.sides[side].push_image(repository, "moving", content("first"))
    second = folder.other(side).push_image(repository, "moving", content("second"))

    assert folder.sides[side].digest(repository, "moving") == second
    assert folder.other(side).digest(repository, "moving") == second
    folder.sides[side].verify(repository, first)


def test_manifest_deleted_by_one_side_is_gone_on_the_other(
    folder: Folder, side: str, repository: str
) -> None:
    digest = folder.other(side).push_image(repository, "doomed", content(f"{repository} doomed"))
    kept = folder.other(side).push_image(repository, "kept", content(f"{repository} kept")[:2])

    assert folder.sides[side].delete(repository, digest) == 202

    for registry in folder.sides.values():
        assert registry.manifest(repository, digest).status_code == 404
        assert registry.manifest(repository, "doomed").status_code == 404
        assert registry.tags(repository) == ["kept"]
        registry.verify(repository, kept)


def test_tag_deleted_by_one_side_is_gone_on_the_other(
    folder: Folder, side: str, repository: str
) -> None:
    if side == "theirs" and folder.version == "2":
        side = "ours"  # Distribution 2 deletes by digest only
    digest = folder.other(side).push_image(repository, "doomed", content(repository))
    folder.other(side).push_image(repository, "kept", content(repository))

    assert folder.sides[side].delete(repository, "doomed") == 202

    for registry in folder.sides.values():
        assert registry.manifest(repository, "doomed").status_code == 404
        assert registry.tags(repository) == ["kept"]
        registry.verify(repository, digest)


def test_blob_deleted_by_one_side_is_gone_on_the_other(
    folder: Folder, side: str, repository: str
) -> None:
    digest = folder.other(side).push_blob(repository, content(repository)[0])

    deleted = folder.sides[side].http.delete(f"/v2/{repository}/blobs/{digest}")

    assert deleted.status_code == 202
    for registry in folder.sides.values():
        assert registry.blob(repository, digest).status_code == 404


def test_blob_mounted_from_what_the_other_side_holds(
    folder: Folder, side: str, repository: str
) -> None:
    digest = folder.other(side).push_blob(f"{repository}/source", content(repository)[0])

    mounted = folder.sides[side].http.post(
        f"/v2/{repository}/target/blobs/uploads/",
        params={"mount": digest, "from": f"{repository}/source"},
    )

    assert mounted.status_code == 201
    assert folder.other(side).blob(f"{repository}/target", digest).status_code == 200


def test_catalogue_is_the_same_on_both_sides(folder: Folder, side: str, repository: str) -> None:
    folder.sides[side].push_image(repository, "1", content(repository))

    listed = {
        name: registry.http.get("/v2/_catalog", params={"n": "1000"}).json()["repositories"]
        for name, registry in folder.sides.items()
    }

    assert repository in listed["ours"]
    # Distribution 2 lists a repository that has blobs only, 3 does not.
    assert set(listed["ours"]) <= set(listed["theirs"])
    assert folder.version == "2" or listed["ours"] == listed["theirs"]


def test_unfinished_upload_of_ours_does_not_disturb_theirs(folder: Folder, repository: str) -> None:
    location = folder.ours.begin_upload(repository)
    part, rest = b"an unfinished " * 1000, b"upload"
    patched = folder.ours.http.patch(location, content=part)
    digest = f"sha256:{hashlib.sha256(part + rest).hexdigest()}"

    theirs = folder.theirs.push_image(repository, "1", content(repository))
    folder.collect()
    target = httpx2.URL(patched.headers["Location"]).copy_merge_params({"digest": digest})
    finished = folder.ours.http.put(target, content=rest)

    assert folder.theirs.tags(repository) == ["1"]
    folder.theirs.verify(repository, theirs)
    assert finished.status_code == 201, finished.text
    assert folder.theirs.blob(repository, digest).content == part + rest
