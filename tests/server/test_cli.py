"""The command line: what it prints, what it says of mistakes, how it ends."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from types import ModuleType

import pytest
from typer.testing import CliRunner

from entrepot.core import Driver, DriverOptions, RegisterDriver, hookimpl
from entrepot.core.plugins import Plugins
from entrepot.server.cli import app, drivers
from entrepot.server.cli import plugins as cli_plugins


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.chdir(tmp_path)
    return CliRunner(env={"COLUMNS": "200"})


def configuration(tmp_path: Path, text: str) -> str:
    path = tmp_path / "config.yml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_no_command_shows_the_help(runner: CliRunner) -> None:
    result = runner.invoke(app, [])

    assert "serve" in result.output
    assert "config" in result.output


def test_version(runner: CliRunner) -> None:
    assert runner.invoke(app, ["--version"]).output.startswith("entrepot 0.")


def test_drivers_are_listed_with_their_package(runner: CliRunner) -> None:
    lines = runner.invoke(app, ["drivers"]).output.splitlines()

    rows = {line.split()[0]: line.split() for line in lines[1:]}
    for name in ("filesystem", "inmemory"):
        assert rows[name][1] == "entrepot"
        assert rows[name][-1] == "ok"


def test_label_of_a_driver_is_listed_behind_its_status(
    runner: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opening(_: DriverOptions) -> AbstractAsyncContextManager[Driver]:
        raise NotImplementedError

    @hookimpl
    def offer(register: RegisterDriver) -> None:
        register("bench", opening, DriverOptions, label="experimental")
        register("tape", opening, DriverOptions, needs=["tape_client"], label="experimental")

    plugin, plugins = ModuleType("mine"), Plugins()
    vars(plugin).update(register_drivers=offer)
    plugins.add(plugin, "mine", "entrepot-mine", "1")

    def loaded(_: frozenset[str]) -> Plugins:
        return plugins

    for module in (drivers, cli_plugins):
        monkeypatch.setattr(module, "load_plugins", loaded)

    bench, tape = runner.invoke(app, ["drivers"]).output.splitlines()[1:]
    (mine,) = runner.invoke(app, ["plugins"]).output.splitlines()[1:]

    assert bench.rstrip().endswith("1        ok, experimental")
    assert "tape_client" in tape
    assert "ok" not in tape.split()
    assert mine.rstrip().endswith("needs tape_client, which is not installed")


def test_plugins_are_listed_with_what_keeps_them_from_working(
    runner: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENTREPOT_DISABLE_PLUGINS", "filesystem")

    output = runner.invoke(app, ["plugins"]).output

    assert "disabled by ENTREPOT_DISABLE_PLUGINS" in output
    assert "register_drivers" in output


def test_good_configuration(runner: CliRunner, tmp_path: Path) -> None:
    path = configuration(tmp_path, "version: 0.1\nstorage: inmemory\n")

    result = runner.invoke(app, ["config", "check", path])

    assert result.exit_code == 0
    assert result.stdout == "the configuration is good\n"


def test_every_mistake_is_told_at_once_the_drivers_too(runner: CliRunner, tmp_path: Path) -> None:
    path = configuration(
        tmp_path,
        "version: 0.1\nhttp: {adr: ':5000'}\nstorage: {filesystem: {rootdirectry: /x}}\n",
    )

    result = runner.invoke(app, ["config", "check", path])

    assert result.exit_code == 1
    assert "http.adr: unknown key; did you mean 'addr'?" in result.stderr
    assert "did you mean 'rootdirectory'?" in result.stderr
    assert "Traceback" not in result.output


def test_section_that_is_not_there_yet_is_refused(runner: CliRunner, tmp_path: Path) -> None:
    path = configuration(
        tmp_path, "version: 0.1\nstorage: inmemory\nproxy: {remoteurl: 'https://hub.test'}\n"
    )

    result = runner.invoke(app, ["serve", path])

    assert result.exit_code == 1
    assert result.stderr.startswith("error: proxy")


def test_warnings_are_no_mistakes_unless_strict(runner: CliRunner, tmp_path: Path) -> None:
    path = configuration(tmp_path, "version: 0.1\nstorage: inmemory\nhttp: {secret: a}\n")

    lenient = runner.invoke(app, ["config", "check", path])
    strict = runner.invoke(app, ["config", "check", path, "--strict"])

    told = (
        "not needed; uploads carry no signed state, so replicas share no secret "
        f"[file {path} line 3]"
    )
    assert (lenient.exit_code, strict.exit_code) == (0, 1)
    assert lenient.stderr == f"warning: http.secret: {told}\n"
    assert lenient.stdout == "the configuration is good, warnings: 1\n"
    assert strict.stderr.endswith("warnings: 1, none is allowed with --strict\n")
    assert strict.stdout == ""


def test_names_of_plug_ins_are_told_together_with_their_places(
    runner: CliRunner, tmp_path: Path
) -> None:
    text = (
        "version: 0.1\nstorage: {nothing: {}}\nauth:\n  nobody:\n"
        "middleware:\n  storage:\n    - name: no\n"
    )

    result = runner.invoke(app, ["config", "check", configuration(tmp_path, text)])

    assert result.exit_code == 1
    lines = result.stderr.splitlines()
    assert [line.partition(": no ")[0] for line in lines] == [
        "error: storage",
        "error: middleware.storage.0.name",
        "error: auth",
    ]
    places = [line[line.rindex("line ") :] for line in lines]
    assert places == ["line 2]", "line 7]", "line 4]"]


def test_missing_file(runner: CliRunner) -> None:
    result = runner.invoke(app, ["serve", "nowhere.yml"])

    assert result.exit_code == 1
    assert "nowhere.yml" in result.stderr


def test_unknown_driver_names_the_installed_ones(
    runner: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGISTRY_STORAGE", "filesystm")

    result = runner.invoke(app, ["serve"])

    assert result.exit_code == 1
    assert "did you mean 'filesystem'?" in result.stderr
    assert re.search(r"installed: .*filesystem.*inmemory", result.stderr)


def test_folder_that_cannot_be_used_is_named() -> None:
    variables = {
        "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": "/proc/registry",
        "REGISTRY_HTTP_ADDR": "127.0.0.1:0",
    }

    result = subprocess.run(
        [sys.executable, "-m", "entrepot.server", "serve"],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert result.returncode == 1
    assert "error: filesystem: " in result.stderr
    assert "/proc/registry" in result.stderr
    assert "Traceback" not in result.stderr


def test_effective_configuration_is_shown_with_origins(
    runner: CliRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = configuration(tmp_path, "version: 0.1\nstorage: inmemory\nhttp: {secret: abc}\n")
    monkeypatch.setenv("REGISTRY_HTTP_ADDR", ":5001")

    output = runner.invoke(app, ["config", "show", path]).stdout

    assert "addr: :5001" in output
    assert "abc" not in output
    assert "# http.addr: environment REGISTRY_HTTP_ADDR" in output


def test_schema_knows_the_drivers_parameters(runner: CliRunner) -> None:
    output = runner.invoke(app, ["config", "schema"]).stdout

    assert json.loads(output)
    assert "rootdirectory" in output
