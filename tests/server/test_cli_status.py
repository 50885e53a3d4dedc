"""`entrepot status` and `entrepot du`."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from tests.core.stores import CONFIG, chunks, image
from typer.testing import CliRunner, Result

from entrepot.core import layout, read_only
from entrepot.core.names import Digest, RepositoryName, Tag
from entrepot.core.plugins import load_plugins
from entrepot.core.registry import Rules, open_registry
from entrepot.core.turns import take_turn
from entrepot.server.cli import app
from entrepot.server.cli import status as module

SHARED = b"in both"
LAYERS = {"team/app": [SHARED, b"x" * 5000], "other": [SHARED]}
MANIFESTS = {name: image(layers) for name, layers in LAYERS.items()}
CONFIGURATION = """\
version: 0.1
storage:
  filesystem:
    rootdirectory: {store}
  maintenance:
    readonly:
      enabled: {read_only}
"""


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    path = tmp_path / "config.yml"
    text = CONFIGURATION.format(store=tmp_path / "store", read_only="false")
    path.write_text(text)
    asyncio.run(_fill(tmp_path / "store"))
    return path


async def _fill(folder: Path) -> None:
    registered = load_plugins().driver("filesystem")
    options = registered.options.model_validate({"rootdirectory": str(folder)})
    async with registered.open(options) as driver, open_registry(driver, Rules()) as registry:
        for name, layers in LAYERS.items():
            repository = registry.repository(RepositoryName(name))
            for content in (CONFIG, *layers):
                await repository.blobs.put(Digest.of(content), chunks(content))
            for tag in ("1", "2"):
                await repository.manifests.put(Tag(tag), MANIFESTS[name], None)
        upload = await registry.repository(RepositoryName("other")).uploads.start()
        await upload.append(chunks(b"half"))
        await take_turn(driver, "uploadpurging", 60, 60.0, "host:1")
        await read_only.turn_on(driver, "moving [house]", 1.0)


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_status(configuration: Path) -> None:
    result = invoke("status", configuration)

    assert result.exit_code == 0, result.output
    rows = {line[:18].strip(): line[18:].strip() for line in result.stdout.splitlines()}
    assert rows["storage"] == "filesystem"
    assert (rows["repositories"], rows["tags"], rows["manifests"]) == ("2", "4", "2")
    assert rows["physical size"].endswith("in 5 blobs, counted once")
    assert rows["open uploads"].startswith("1, ")
    assert rows["read-only"] == "yes, by `entrepot readonly`: moving [house]"
    assert rows["last uploadpurging"].endswith("ago, by host:1")
    assert "missing" not in rows


def test_status_as_json(configuration: Path) -> None:
    found = json.loads(invoke("status", configuration, "--json").stdout)

    physical = len(CONFIG) + len(SHARED) + 5000 + sum(map(len, MANIFESTS.values()))
    assert found["bytes"] == {
        "logical": physical + len(CONFIG) + len(SHARED),
        "physical": physical,
        "unlinked": 0,
    }
    assert found["uploads"]["open"] == 1
    assert found["uploads"]["bytes"] >= len(b"half")
    assert found["readonly"] == {
        "switch": True,
        "reason": "moving [house]",
        "configuration": False,
    }
    assert [turn["work"] for turn in found["turns"]] == ["uploadpurging"]


def test_status_with_garbage(configuration: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blob = configuration.parent / "store" / layout.blob(Digest.of(b"nobody's"))
    blob.parent.mkdir(parents=True)
    blob.write_bytes(b"nobody's")

    young = invoke("status", configuration, "--garbage", "--json")
    monkeypatch.setattr(module, "GRACE", -10.0)
    old = invoke("status", configuration, "--garbage", "--json")
    shown = invoke("status", configuration, "--garbage")

    nothing = {"blobs": 0, "size": 0, "links": 0, "left_alone": 0}
    assert json.loads(young.stdout)["garbage"] == nothing
    assert json.loads(old.stdout)["garbage"] == nothing | {"blobs": 1, "size": 8}
    assert "8 B in 1 blobs, 0 links" in shown.stdout
    assert "garbage" not in invoke("status", configuration).stdout


def test_status_tells_of_a_read_only_configuration(configuration: Path, tmp_path: Path) -> None:
    text = CONFIGURATION.format(store=tmp_path / "empty", read_only="true")
    configuration.write_text(text)

    result = invoke("status", configuration)

    assert "yes, by this configuration" in result.stdout


def test_du_shows_the_largest_first(configuration: Path) -> None:
    result = invoke("du", configuration)

    assert result.exit_code == 0, result.output
    heading, first, second, total = result.stdout.splitlines()
    assert heading.split() == ["repository", "manifests", "blobs", "size", "own", "shared"]
    assert first.split()[:3] == ["team/app", "1", "3"]
    assert first.split()[-2:] == ["9", "B"]
    assert second.split()[:3] == ["other", "1", "2"]
    assert total.endswith("on the store, 0 B of that in no repository")


def test_du_of_some_repositories_counts_what_others_share(configuration: Path) -> None:
    result = invoke("du", configuration, "--json", "--repository", "team/**")

    found = json.loads(result.stdout)
    (held,) = found["repositories"]
    own = 5000 + len(MANIFESTS["team/app"])
    shared = len(CONFIG) + len(SHARED)
    assert held["bytes"] == {"logical": own + shared, "own": own, "shared": shared}
    assert found["store"]["repositories"] == 2


def test_du_refuses_what_is_no_pattern(configuration: Path) -> None:
    result = invoke("du", configuration, "--repository", "Team/**", "--repository", "{user}/**")

    assert result.exit_code == 1
    first, second = result.stderr.splitlines()
    assert first.startswith("error: 'Team/**': repositories' names have no capital letters")
    assert second == "error: '{user}/**': nobody is {user} here"
