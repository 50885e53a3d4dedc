"""`entrepot scrub` over folders: what it shows, how it ends, and where it fetches from."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from entrepot.core.manifest import OCI_INDEX
from entrepot.core.names import Digest
from entrepot.server.cli import app

MANIFEST = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}).encode()
LAYER = b"a layer" * 1000
SECRET = "hunter2"


def put(root: Path, key: str, content: bytes) -> None:
    path = root / "docker/registry/v2" / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def blob(content: bytes) -> str:
    digest = Digest.of(content)
    return f"blobs/sha256/{digest.hex[:2]}/{digest.hex}/data"


def link(content: bytes, folder: str) -> str:
    return f"repositories/team/app/{folder}/sha256/{Digest.of(content).hex}/link"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "store"
    for content, within in ((MANIFEST, "_manifests/revisions"), (LAYER, "_layers")):
        put(folder, blob(content), content)
        put(folder, link(content, within), str(Digest.of(content)).encode())
    for place in ("current", f"index/sha256/{Digest.of(MANIFEST).hex}"):
        key = f"repositories/team/app/_manifests/tags/latest/{place}/link"
        put(folder, key, str(Digest.of(MANIFEST)).encode())
    return folder


def entrepot(root: Path, *arguments: str, **variables: str) -> Result:
    given = {"REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": str(root), "COLUMNS": "300"}
    return CliRunner(env=given | variables).invoke(app, ["scrub", *arguments])


def test_healthy_store(root: Path) -> None:
    result = entrepot(root)

    assert result.exit_code == 0
    done = "2 blobs hashed (6.9 KiB), 1 repositories checked: nothing is wrong"
    assert result.output.splitlines() == [done]


def test_damage_is_shown_and_ends_with_1(root: Path) -> None:
    put(root, blob(LAYER), LAYER[:-1])

    result = entrepot(root)

    assert result.exit_code == 1
    assert f"wrong    blob-damaged       docker/registry/v2/{blob(LAYER)}: it has" in result.output
    assert "--repair --from" in result.output
    assert "1 wrong" in result.output


def test_lines_of_json(root: Path) -> None:
    (root / "docker/registry/v2" / link(LAYER, "_layers")).write_bytes(b"")

    result = entrepot(root, "--json")

    assert json.loads(result.stdout) == {
        "kind": "link-damaged",
        "severity": "wrong",
        "where": f"docker/registry/v2/{link(LAYER, '_layers')}",
        "what": "it holds nothing",
        "remedy": "--repair writes it again if what it stands for is there; else push again",
        "repository": "team/app",
        "digest": str(Digest.of(LAYER)),
        "repaired": False,
        "failure": None,
    }
    assert "1 wrong" in result.stderr


def test_repair_of_what_can_be_derived(root: Path) -> None:
    (root / "docker/registry/v2" / link(LAYER, "_layers")).write_bytes(b"")

    result = entrepot(root, "--repair")

    assert result.exit_code == 0
    assert "repaired link-damaged" in result.output
    assert (root / "docker/registry/v2" / link(LAYER, "_layers")).read_text().startswith("sha256:")
    assert "nothing is wrong" in entrepot(root).output


def test_repair_from_another_configuration(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path / "other")
    put(root, blob(LAYER), b"damaged")
    put(root, blob(MANIFEST), b"damaged")
    other = tmp_path / "other.yml"
    other.write_text(
        f"version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {tmp_path / 'other'}\n"
    )

    result = entrepot(root, "--repair", "--from-config", str(other))

    assert result.exit_code == 0, result.output
    assert result.output.count("repaired blob-damaged") == 2
    assert (root / "docker/registry/v2" / blob(LAYER)).read_bytes() == LAYER


def test_parts_follow_each_other(root: Path) -> None:
    outputs = [entrepot(root, "--sample", "50%").output for _ in range(3)]

    shares = ["50.0 %", "100.0 %", "50.0 %"]
    assert [shown in output for shown, output in zip(shares, outputs, strict=True)] == [True] * 3


def test_repositories_alone_are_checked_without_hashing(root: Path) -> None:
    put(root, blob(LAYER), b"x" * len(LAYER))

    assert "0 blobs hashed (0 B), 1 repositories" in entrepot(root, "--only", "repositories").output
    blobs = entrepot(root, "--only", "blobs").output
    assert "2 blobs hashed (6.9 KiB), 0 repositories checked: 1 wrong" in blobs


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--bytes", "many"], "--bytes: 'many' is no size"),
        (["--rate", "0"], "--rate: '0' is no size"),
        (["--sample", "5"], "--sample: '5' is no share"),
        (["--sample", "0%"], "--sample: '0%' is no share"),
        (["--sample", "x%"], "--sample: 'x%' is no share"),
        (["--from", "https://other.example"], "nothing is fetched without --repair"),
        (["--repair", "--from-auth", "x"], "--from-auth: it is for --from"),
        (["--repair", "--from", "http://a", "--from-config", "x"], "give one of them"),
        (["--repair", "--from", "other.example"], "write a URL like https://registry.example"),
        (["--repair", "--from", f"https://me:{SECRET}@a.example"], "do not belong into a URL"),
        (["--repair", "--from", "http://a", "--from-auth", "/none.json"], "No such file"),
    ],
)
def test_mistakes_are_told(root: Path, arguments: list[str], told: str) -> None:
    result = entrepot(root, *arguments)

    assert result.exit_code == 1
    assert told in result.output
    assert SECRET not in result.output
    assert "Traceback" not in result.output


def test_copies_of_a_middleware_are_not_taken_for_the_store(root: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.yml"
    config.write_text(
        "version: 0.1\n"
        f"storage:\n  filesystem:\n    rootdirectory: {root}\n"
        "middleware:\n  storage:\n  - name: cache\n    options:\n"
        f"      rootdirectory: {tmp_path / 'copies'}\n"
    )

    assert entrepot(root, str(config)).exit_code == 0
    put(root, blob(LAYER), b"x" * len(LAYER))

    assert "blob-damaged" in entrepot(root, str(config)).output
    assert not (tmp_path / "copies").exists()
