"""A folder with torn link files, as a crash or a full disk leaves them."""

from collections.abc import Generator
from pathlib import Path

import pytest
from tests.real.folder import Folder, content, shared_folder
from tests.real.servers import StartDistribution, StartEntrepot

DAMAGES = {
    "empty": b"",
    "cut": b"sha256:0123456789abcdef",
    "zeros": bytes(71),
    "words": b"not a digest at all",
    "unknown algorithm": b"md5:d41d8cd98f00b204e9800998ecf8427e",
}


@pytest.fixture(scope="module")
def folder(
    entrepot_server: StartEntrepot, distribution: StartDistribution
) -> Generator[Folder, None, None]:
    """A folder under ours and Distribution 3, which writes what is then damaged."""
    with shared_folder("3", entrepot_server, distribution) as shared:
        yield shared


@pytest.fixture(params=DAMAGES)
def damage(request: pytest.FixtureRequest) -> bytes:
    """Each content that is no link."""
    return DAMAGES[request.param]


def files(folder: Folder, repository: str) -> Path:
    """Where a repository lies."""
    return folder.root / "docker" / "registry" / "v2" / "repositories" / repository


def link_of(folder: Folder, repository: str, kind: str, digest: str) -> Path:
    """The link file of a digest."""
    return files(folder, repository) / kind / digest.replace(":", "/") / "link"


def test_damaged_tag_is_absent(folder: Folder, repository: str, damage: bytes) -> None:
    digest = folder.theirs.push_image(repository, "torn", content(f"{repository} torn"))
    other = folder.theirs.push_image(repository, "whole", content(f"{repository} whole"))
    (files(folder, repository) / "_manifests/tags/torn/current/link").write_bytes(damage)

    assert folder.ours.manifest(repository, "torn").status_code == 404
    assert "whole" in folder.ours.tags(repository)
    folder.ours.verify(repository, digest)
    assert folder.ours.delete(repository, other) == 202
    assert folder.ours.manifest(repository, "whole").status_code == 404


def test_damaged_tag_is_mended_by_a_push(folder: Folder, repository: str, damage: bytes) -> None:
    folder.theirs.push_image(repository, "torn", content(repository))
    (files(folder, repository) / "_manifests/tags/torn/current/link").write_bytes(damage)

    digest = folder.ours.push_image(repository, "torn", content(repository))

    assert folder.ours.digest(repository, "torn") == digest
    assert folder.theirs.digest(repository, "torn") == digest


def test_damaged_revision_is_absent(folder: Folder, repository: str, damage: bytes) -> None:
    digest = folder.theirs.push_image(repository, "1", content(repository))
    link_of(folder, repository, "_manifests/revisions", digest).write_bytes(damage)

    assert folder.ours.manifest(repository, digest).status_code == 404
    assert folder.ours.manifest(repository, "1").status_code == 404


def test_damaged_layer_link_is_absent(folder: Folder, repository: str, damage: bytes) -> None:
    digest = folder.theirs.push_blob(repository, content(repository)[0])
    link_of(folder, repository, "_layers", digest).write_bytes(damage)

    assert folder.ours.blob(repository, digest).status_code == 404
    assert folder.ours.http.head(f"/v2/{repository}/blobs/{digest}").status_code == 404
    assert folder.ours.push_blob(repository, content(repository)[0]) == digest
    assert folder.theirs.blob(repository, digest).status_code == 200


def test_missing_content_behind_a_link_is_absent(folder: Folder, repository: str) -> None:
    digest = folder.theirs.push_image(repository, "1", content(repository))
    algorithm, _, name = digest.partition(":")
    blobs = folder.root / "docker" / "registry" / "v2" / "blobs"
    (blobs / algorithm / name[:2] / name / "data").unlink()

    assert folder.ours.manifest(repository, "1").status_code == 404
    assert folder.ours.manifest(repository, digest).status_code == 404
    assert folder.ours.tags(repository) in ([], ["1"])
