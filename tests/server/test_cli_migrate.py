"""`entrepot migrate` between folders: what it copies, what it tells, how it ends."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from entrepot.core.manifest import OCI_INDEX
from entrepot.core.names import Digest
from entrepot.server.cli import app

MANIFEST = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}).encode()
LAYER = b"a layer" * 1000


def put(root: Path, key: str, content: bytes) -> None:
    path = root / "docker/registry/v2" / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def blob(content: bytes) -> str:
    digest = Digest.of(content)
    return f"blobs/sha256/{digest.hex[:2]}/{digest.hex}/data"


def fill(root: Path, repository: str) -> None:
    within = f"repositories/{repository}"
    hexes = {content: Digest.of(content).hex for content in (MANIFEST, LAYER)}
    for content, folder in ((LAYER, "_layers"), (MANIFEST, "_manifests/revisions")):
        put(root, blob(content), content)
        put(
            root,
            f"{within}/{folder}/sha256/{hexes[content]}/link",
            b"sha256:" + hexes[content].encode(),
        )
    for place in ("current", f"index/sha256/{hexes[MANIFEST]}"):
        put(root, f"{within}/_manifests/tags/1/{place}/link", b"sha256:" + hexes[MANIFEST].encode())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("team/app", "web"):
        fill(tmp_path / "old", name)
    for name in ("old", "new"):
        (tmp_path / f"{name}.yml").write_text(
            f"version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {tmp_path / name}\n"
        )
    return tmp_path


def entrepot(root: Path, *arguments: str, **variables: str) -> Result:
    files = [str(root / "old.yml"), str(root / "new.yml")]
    return CliRunner(env=variables).invoke(app, ["migrate", *files, *arguments])


def files(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


def test_everything_is_copied_once(root: Path) -> None:
    result = entrepot(root)

    assert result.exit_code == 0
    assert result.output == "10 objects copied (7.5 KiB), 0 there already, 0 failed\n"
    assert files(root / "new") == files(root / "old")

    result = entrepot(root)
    assert result.output == "0 objects copied (0 B), 10 there already, 0 failed\n"


def test_dry_run_changes_nothing(root: Path) -> None:
    result = entrepot(root, "--dry-run")

    assert result.output == "10 objects would be copied (7.5 KiB), 0 there already, 0 failed\n"
    assert files(root / "new") == {}


def test_repositories_by_name(root: Path) -> None:
    result = entrepot(root, "--repository", "team/**", "--rate", "1GiB", "--concurrency", "2")

    assert result.exit_code == 0
    kept = {name: text for name, text in files(root / "old").items() if "/web/" not in name}
    assert files(root / "new") == kept


def test_deletion_is_told(root: Path) -> None:
    entrepot(root)
    fill(root / "new", "gone")

    assert "removed" not in entrepot(root).output
    result = entrepot(root, "--delete")

    assert result.output == "0 objects copied (0 B), 10 there already, 4 removed, 0 failed\n"
    assert files(root / "new") == files(root / "old")


def test_failure_is_told_and_ends_with_1(root: Path) -> None:
    put(root / "old", blob(LAYER), b"damaged")

    result = entrepot(root)

    assert result.exit_code == 1
    assert result.stdout == "7 objects copied (519 B), 0 there already, 1 failed\n"
    assert result.stderr == (
        f"failed: docker/registry/v2/{blob(LAYER)}: blob {Digest.of(LAYER)} is damaged: "
        f"its 7 bytes have the digest {Digest.of(b'damaged')}\n"
    )


def test_json_is_a_line_for_each_failure_and_the_totals(root: Path) -> None:
    put(root / "old", blob(LAYER), b"damaged")
    put(root / "old", "repositories/web/_manifests/tags/torn/current/link", b"sha2")

    result = entrepot(root, "--json")

    failure, leaving, totals = map(json.loads, result.stdout.splitlines())
    assert (failure["result"], failure["key"]) == ("failed", f"docker/registry/v2/{blob(LAYER)}")
    assert (leaving["result"], leaving["reason"]) == ("left out", "the tag's link is damaged")
    assert totals.pop("bytes") > 0
    assert totals == {"copied": 7, "skipped": 0, "deleted": 0, "left_out": 1, "failed": 1}


def test_mirror_is_left_out_of_both_sides(root: Path) -> None:
    """FROM and TO may be the files that replicas run with."""
    for name, other in (("old", "new"), ("new", "old")):
        with (root / f"{name}.yml").open("a") as file:
            storage = f"{{filesystem: {{rootdirectory: {root / other}}}}}"
            item = f"{{name: mirror, options: {{storage: {storage}}}}}"
            file.write(f"middleware: {{storage: [{item}]}}\n")

    assert entrepot(root).output.startswith("10 objects copied")


def test_variables_change_the_source_only(root: Path) -> None:
    fill(root / "third", "other")

    variable = {"REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": str(root / "third")}
    assert entrepot(root, **variable).exit_code == 0

    assert files(root / "new") == files(root / "third")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--rate", "fast"], "error: --rate: 'fast' is no size; write one like 512MiB or 10GiB"),
        (["--repository", "Team"], "error: 'Team': repositories' names have no capital letters"),
    ],
)
def test_mistakes_in_options_are_told(root: Path, arguments: list[str], told: str) -> None:
    result = entrepot(root, *arguments)

    assert result.exit_code == 1
    assert result.stderr.startswith(told)
    assert not (root / "new").exists()


def test_one_store_on_both_sides_is_a_mistake(root: Path) -> None:
    (root / "new.yml").write_text((root / "old.yml").read_text())

    result = entrepot(root, "--delete")

    assert result.exit_code == 1
    assert re.match("error: FROM and TO name the same storage, 'filesystem'", result.stderr)


def test_empty_source_deletes_nothing(root: Path) -> None:
    entrepot(root)
    before = files(root / "new")

    variable = {"REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": str(root / "nothing")}
    result = entrepot(root, "--delete", **variable)

    assert result.exit_code == 1
    assert result.stderr.startswith("error: the source has no such repositories")
    assert files(root / "new") == before
