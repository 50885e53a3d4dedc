"""`entrepot export` and `entrepot import`."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.core.stores import CONFIG, chunks, image
from typer.testing import CliRunner, Result

from entrepot.core import read_only
from entrepot.core.names import Digest, RepositoryName, Tag
from entrepot.core.plugins import load_plugins
from entrepot.core.registry import Registry, Rules, open_registry
from entrepot.server.cli import app

LAYER = b"a layer" * 1000
CONFIGURATION = "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {folder}\n"


def configuration(tmp_path: Path, name: str, more: str = "") -> Path:
    path = tmp_path / f"{name}.yml"
    path.write_text(CONFIGURATION.format(folder=tmp_path / name) + more)
    return path


async def fill(registry: Registry) -> None:
    repository = registry.repository(RepositoryName("team/app"))
    for content in (CONFIG, LAYER):
        await repository.blobs.put(Digest.of(content), chunks(content))
    await repository.manifests.put(Tag("1"), image([LAYER]), None)


async def switch(registry: Registry) -> None:
    await read_only.turn_on(registry.driver, "moving house", 1.0)


async def on(folder: Path, act: Callable[[Registry], Awaitable[None]] = fill) -> None:
    registered = load_plugins().driver("filesystem")
    options = registered.options.model_validate({"rootdirectory": str(folder)})
    async with registered.open(options) as driver, open_registry(driver, Rules()) as registry:
        await act(registry)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    asyncio.run(on(tmp_path / "here"))
    return configuration(tmp_path, "here")


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def files(folder: Path) -> dict[str, bytes]:
    below = folder / "docker"
    return {
        str(one.relative_to(below)): one.read_bytes() for one in below.rglob("*") if one.is_file()
    }


@pytest.mark.parametrize("name", ["layout", "layout.tar"])
def test_out_of_one_store_into_another(config: Path, tmp_path: Path, name: str) -> None:
    there = configuration(tmp_path, "there")

    exported = invoke("export", config, "team/**", "--to", tmp_path / name)
    imported = invoke("import", there, tmp_path / name)

    assert exported.exit_code == imported.exit_code == 0, exported.output + imported.output
    assert exported.stdout == (
        f"exported to {tmp_path / name}: 1 images by name, 3 blobs written, 7.2 KiB\n"
    )
    assert imported.stdout.startswith(f"imported from {tmp_path / name}: 1 images by name, 2 blobs")
    assert files(tmp_path / "there") == files(tmp_path / "here")


def test_delta_as_json(config: Path, tmp_path: Path) -> None:
    invoke("export", config, "team/app", "--to", tmp_path / "first")
    since = tmp_path / "first" / "index.json"

    result = invoke(
        "export", config, "team/app", "--to", tmp_path / "it.tar", "--since", since, "--json"
    )

    size = len(image([LAYER]))
    assert json.loads(result.stdout) == {
        "names": 1,
        "written": 1,
        "left_out": 2,
        "size": size,
        "failures": [],
    }


def test_into_a_repository_of_another_name(config: Path, tmp_path: Path) -> None:
    invoke("export", config, "team/app:1", "--to", tmp_path / "it")

    result = invoke("import", config, tmp_path / "it", "--repository", "new/name")

    assert result.exit_code == 0, result.output
    tags = tmp_path / "here/docker/registry/v2/repositories/new/name/_manifests/tags"
    assert [one.name for one in tags.iterdir()] == ["1"]


def test_failures_end_with_1(config: Path, tmp_path: Path) -> None:
    result = invoke("export", config, "team/app:1", "team/app:2", "--to", tmp_path / "it")

    assert result.exit_code == 1
    assert result.stderr == "error: team/app:2: nothing is called so\n"
    assert result.stdout.startswith("exported to")
    assert (tmp_path / "it" / "index.json").exists()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["export", "CONFIG", "Team", "a:", "--to", "x"], "error: 'Team': repositories' names"),
        (["export", "CONFIG", "team/none", "--to", "x"], "error: nothing was exported: team/none"),
        (["export", "CONFIG", "**", "--to", "x", "--since", "no"], "error: no: No such file"),
        (["export", "CONFIG", "**", "--to", "/dev/null/x"], "error: /dev/null/x"),
        (["import", "CONFIG", "nowhere"], "error: nowhere: No such file or directory"),
        (["import", "CONFIG", "nowhere", "--repository", "A"], "error: --repository: invalid"),
    ],
)
def test_mistakes(
    config: Path,
    tmp_path: Path,
    arguments: list[str],
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)

    result = invoke(*[config if one == "CONFIG" else one for one in arguments])

    assert result.exit_code == 1, result.output
    assert result.stderr.startswith(reason)


def test_nothing_is_imported_while_the_store_is_read_only(config: Path, tmp_path: Path) -> None:
    invoke("export", config, "**", "--to", tmp_path / "it")
    section = "  maintenance:\n    readonly:\n      enabled: true\n"
    configured = configuration(tmp_path, "configured", section)
    switched = configuration(tmp_path, "switched")
    asyncio.run(on(tmp_path / "switched", switch))

    by_configuration = invoke("import", configured, tmp_path / "it")
    by_switch = invoke("import", switched, tmp_path / "it")

    assert by_configuration.stderr.startswith("error: the configuration says")
    assert by_switch.stderr.startswith("error: the store is read-only: moving house; ")
    assert by_configuration.exit_code == by_switch.exit_code == 1
    assert not files(tmp_path / "configured")
    assert not files(tmp_path / "switched")


SLOWLY = """
import asyncio
from entrepot.core.archiving import targets

class Waiting(targets._Folder):
    async def write(self, digest, size, chunks):
        print("waiting", flush=True)
        await asyncio.sleep(60)

targets._Folder = Waiting
from entrepot.server.cli import main
main()
"""


def test_interrupted_export_tells_how_to_go_on(config: Path, tmp_path: Path) -> None:
    arguments = ["export", str(config), "**", "--to", str(tmp_path / "it")]
    with subprocess.Popen(
        [sys.executable, "-c", SLOWLY, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)

    assert process.returncode == 130
    assert told == "interrupted: what is whole is kept; run it again to go on\n"
    assert invoke(*arguments).exit_code == 0
