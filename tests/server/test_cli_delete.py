"""`entrepot delete`, beside a registry that serves."""

from __future__ import annotations

import time
from collections.abc import Generator
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from tests.server.conftest import Pusher
from typer.testing import CliRunner, Result

from entrepot.core.collecting.timing import LONGEST_PUSH
from entrepot.core.configuration import load
from entrepot.server.app import create_app
from entrepot.server.cli import app

FILE = """\
version: 0.1
storage:
  filesystem: {{rootdirectory: {root}/data}}
  cache: {{blobdescriptor: inmemory}}
policy:
  tags: [{{repositories: [fixed/*], immutable: ["v*"]}}]
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "config.yml"
    file.write_text(FILE.format(root=tmp_path))
    return file


@pytest.fixture
def client(config: Path) -> Generator[TestClient, None, None]:
    with TestClient(create_app(load(config, {}).configuration)) as client:
        yield client


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waited: list[float] = []

    async def note(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr("asyncio.sleep", note)
    return waited


def run(config: Path, *arguments: str) -> Result:
    done = CliRunner().invoke(app, ["delete", str(config), *arguments])
    assert "Traceback" not in done.output
    return done


def pulled(client: TestClient, *paths: str) -> list[int]:
    return [client.get(f"/v2/{path}").status_code for path in paths]


def test_tag_goes_at_once_and_its_manifest_stays(client: TestClient, config: Path) -> None:
    digest, _ = Pusher(client).image("a/b", "1")
    paths = ("a/b/manifests/1", f"a/b/manifests/{digest}")
    assert pulled(client, *paths) == [200, 200]

    done = run(config, "a/b:1", "--yes")

    assert done.exit_code == 0
    assert done.stdout == f"a/b:1: a tag of {digest}\ndeleted a/b:1\n"
    assert pulled(client, *paths) == [404, 200]


def test_manifest_goes_with_its_tags(client: TestClient, config: Path) -> None:
    digest, _ = Pusher(client).image("a/b", "1")
    Pusher(client).image("a/b", "2")

    done = run(config, f"a/b@{digest}", "--yes")

    assert done.stdout.startswith(f"a/b@{digest}: a manifest, with its tags 1, 2\n")
    assert pulled(client, "a/b/manifests/1", "a/b/manifests/2") == [404, 404]
    assert client.head(f"/v2/a/b/manifests/{digest}").status_code == 404


def test_repository_goes_and_those_below_it_stay(
    client: TestClient, config: Path, waits: list[float]
) -> None:
    for name in ("a/b", "a/b/c"):
        Pusher(client).image(name, "1")
    client.post("/v2/a/b/blobs/uploads/")

    done = run(config, "a/b", "--yes")

    assert done.exit_code == 0, done.output
    assert done.stdout == ("a/b: 1 tags, 1 manifests, 1 links to blobs, 1 uploads\ndeleted a/b\n")
    assert client.get("/v2/_catalog").json() == {"repositories": ["a/b/c"]}
    assert pulled(client, "a/b/tags/list", "a/b/c/manifests/1") == [404, 200]
    assert max(waits) > LONGEST_PUSH, "pushes that were under way are looked after"


@pytest.mark.usefixtures("waits")
def test_dry_run_deletes_nothing(client: TestClient, config: Path) -> None:
    digest, _ = Pusher(client).image("a/b", "1")

    done = run(config, "a/b", "a/b:1", f"a/b@{digest}", "--dry-run")

    assert done.exit_code == 0
    assert len(done.stdout.splitlines()) == 3
    assert pulled(client, "a/b/manifests/1") == [200]


def test_nobody_is_there_to_confirm(client: TestClient, config: Path) -> None:
    Pusher(client).image("a/b", "1")

    done = run(config, "a/b:1")

    assert done.exit_code == 1
    assert done.stderr == "error: nobody is there to confirm it; say --yes\n"
    assert pulled(client, "a/b/manifests/1") == [200]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("a/b:9", "error: no tag 9 in repository a/b"),
        (f"a/b@sha256:{'0' * 64}", f"error: manifest sha256:{'0' * 64} unknown to repository a/b"),
        ("a", "error: no repository a"),
    ],
)
def test_what_is_not_there_is_told_and_the_rest_deleted(
    client: TestClient, config: Path, name: str, told: str
) -> None:
    Pusher(client).image("a/b", "1")

    done = run(config, name, "a/b:1", "--yes")

    assert done.exit_code == 1
    assert done.stderr == f"{told}\n"
    assert pulled(client, "a/b/manifests/1") == [404]


@pytest.mark.usefixtures("client")
def test_names_that_are_none_are_all_told(config: Path) -> None:
    done = run(config, "A/b", "a/b:", "a/b@sha256:0", "--yes")

    assert done.exit_code == 1
    assert [line.partition(": ")[2][:6] for line in done.stderr.splitlines()] == [
        "A/b: i",
        "a/b:: ",
        "a/b@sh",
    ]


@pytest.mark.usefixtures("waits")
def test_immutable_tag_goes_only_if_that_is_said(client: TestClient, config: Path) -> None:
    digest, _ = Pusher(client).image("fixed/a", "v1")
    names = ("fixed/a:v1", f"fixed/a@{digest}", "fixed/a")

    for name in names:
        refused = run(config, name, "--yes")
        assert refused.exit_code == 1
        assert "tag v1 of fixed/a is immutable (policy.tags.0: v*)" in refused.stderr
    assert pulled(client, "fixed/a/manifests/v1") == [200]

    assert run(config, "fixed/a", "--yes", "--even-immutable").exit_code == 0
    assert pulled(client, "fixed/a/manifests/v1") == [404]


def test_nothing_is_deleted_while_the_store_is_read_only(
    client: TestClient, config: Path, tmp_path: Path
) -> None:
    Pusher(client).image("a/b", "1")
    (tmp_path / "data" / "entrepot").mkdir(exist_ok=True)
    (tmp_path / "data" / "entrepot" / "readonly").write_text(
        f'{{"reason": "moving", "since": {time.time()}}}'
    )

    done = run(config, "a/b:1", "--yes")

    assert done.exit_code == 1
    assert "error: the store is read-only (moving)" in done.stderr
    assert pulled(client, "a/b/manifests/1") == [200]
