"""`entrepot reindex` over a folder whose index of referrers is missing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from entrepot.core.manifest import OCI_INDEX
from entrepot.core.names import Digest
from entrepot.server.cli import app

SUBJECT = Digest.of(b"an image")
CONTENT = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [],
        "subject": {"mediaType": OCI_INDEX, "digest": str(SUBJECT), "size": 8},
    }
).encode()
DIGEST = Digest.of(CONTENT)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    registry = tmp_path / "docker/registry/v2"
    blob = registry / f"blobs/sha256/{DIGEST.hex[:2]}/{DIGEST.hex}/data"
    blob.parent.mkdir(parents=True)
    blob.write_bytes(CONTENT)
    for name in ("team/app", "other/app"):
        revision = registry / f"repositories/{name}/_manifests/revisions/sha256/{DIGEST.hex}/link"
        revision.parent.mkdir(parents=True)
        revision.write_text(str(DIGEST))
    return tmp_path


def entrepot(root: Path, *arguments: str) -> Result:
    variables = {"REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": str(root), "COLUMNS": "300"}
    return CliRunner(env=variables).invoke(app, ["reindex", *arguments])


def test_index_is_made_once(root: Path) -> None:
    first = entrepot(root)
    second = entrepot(root)

    assert first.exit_code == second.exit_code == 0
    assert "2 manifests in 2 repositories: 2 added, 0 renewed, 0 removed" in first.output
    assert f"added   other/app   {DIGEST}  {SUBJECT}" in first.output
    assert "2 manifests in 2 repositories: 0 added" in second.output
    assert len(list(root.rglob("descriptor.json"))) == 2


def test_lines_of_json_for_the_repositories_wanted(root: Path) -> None:
    result = entrepot(root, "--json", "--repository", "team/*")

    assert json.loads(result.stdout) == {
        "change": "added",
        "repository": "team/app",
        "manifest": str(DIGEST),
        "subject": str(SUBJECT),
    }
    assert "1 manifests" in result.stderr


def test_damage_is_told(root: Path) -> None:
    next(root.rglob("data")).write_bytes(b"other")

    result = entrepot(root)

    assert "0 added" in result.output
    assert "2 could not be read; see `entrepot scrub`" in result.output


def test_pattern_that_is_none_is_refused(root: Path) -> None:
    result = entrepot(root, "--repository", "Team/*")

    assert result.exit_code == 1
    assert "capital letters" in result.output
