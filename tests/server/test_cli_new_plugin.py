"""`entrepot plugins new`: names, files and what is refused."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from typer.testing import CliRunner

from entrepot.core import hookspecs
from entrepot.core.parameters import filled
from entrepot.core.plugins import load_plugins
from entrepot.server.cli import app


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.chdir(tmp_path)
    return CliRunner(env={"COLUMNS": "200"})


@pytest.mark.parametrize("wanted", ["my-tape", "entrepot-my-tape", "my_tape", "my.tape"])
def test_names_of_a_project(runner: CliRunner, tmp_path: Path, wanted: str) -> None:
    result = runner.invoke(app, ["plugins", "new", wanted])

    assert result.exit_code == 0, result.output
    folder = tmp_path / "entrepot-my-tape"
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert project["name"] == "entrepot-my-tape"
    assert project["entry-points"]["entrepot"] == {"mytape": "entrepot_my_tape"}
    assert project["dependencies"] == ["entrepot>=0.1,<1"]
    written = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert written == {
        ".gitignore",
        "README.md",
        "entrepot_my_tape.py",
        "pyproject.toml",
        "tests/test_conformance.py",
    }
    assert "cd entrepot-my-tape" in result.stdout
    assert "REGISTRY_STORAGE=mytape entrepot serve" in result.stdout


def test_project_goes_where_it_is_told(runner: CliRunner, tmp_path: Path) -> None:
    empty = tmp_path / "deep/empty"
    empty.mkdir(parents=True)

    result = runner.invoke(app, ["plugins", "new", "tape", "--directory", str(empty)])

    assert result.exit_code == 0
    assert (empty / "entrepot_tape.py").exists()


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ("My Tape", "cannot be the name"),
        ("", "cannot be the name"),
        ("2tape", "cannot be the name"),
        ("-tape", "cannot be the name"),
        ("tape-", "cannot be the name"),
        ("tape--two", "cannot be the name"),
        ("../tape", "cannot be the name"),
        ("tape\n", "cannot be the name"),
        ("bänd", "cannot be the name"),
        ("x" * 60, "cannot be the name"),
        ("filesystem", "taken by plug-in 'filesystem'"),
        ("file-system", "taken by plug-in 'filesystem'"),
        ("entrepot-inmemory", "taken by plug-in 'inmemory'"),
        ("maintenance", "a setting of `storage`"),
        ("dictionary", "a module entrepot_dictionary is installed already"),
    ],
)
def test_name_that_is_refused(
    runner: CliRunner,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    wanted: str,
    words: str,
) -> None:
    folder = Path(__file__).parents[1] / "example_plugin"
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])

    result = runner.invoke(app, ["plugins", "new", "--", wanted])

    assert result.exit_code == 1
    assert words in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(runner: CliRunner, tmp_path: Path) -> None:
    folder = tmp_path / "entrepot-tape"
    folder.mkdir()
    (folder / "precious").write_text("mine")

    result = runner.invoke(app, ["plugins", "new", "tape"])

    assert result.exit_code == 1
    assert "not empty; nothing was written" in result.stderr
    assert [path.name for path in folder.iterdir()] == ["precious"]


def test_folder_that_cannot_be_written_is_told(runner: CliRunner, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    result = runner.invoke(app, ["plugins", "new", "tape", "-d", str(tmp_path / "file/below")])

    assert result.exit_code == 1
    assert "Not a directory" in result.stderr


def test_project_is_a_plugin_whose_readme_tells_its_parameters(
    runner: CliRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert runner.invoke(app, ["plugins", "new", "reel"]).exit_code == 0
    project = tmp_path / "entrepot-reel"
    monkeypatch.setattr(sys, "path", [str(project), *sys.path])
    plugins = load_plugins(found=[EntryPoint("reel", "entrepot_reel", hookspecs.PROJECT)])

    assert plugins.driver("reel").problem == ""
    readme = (project / "README.md").read_text(encoding="utf-8")
    assert filled(readme, plugins.models.drivers) == readme


@pytest.mark.real
def test_project_is_well_formatted_and_typed(runner: CliRunner, tmp_path: Path) -> None:
    assert runner.invoke(app, ["plugins", "new", "tape"]).exit_code == 0
    project = tmp_path / "entrepot-tape"
    for command in (
        ["ruff", "format", "--check", "--isolated", "--line-length", "100", "."],
        [
            "ruff",
            "check",
            "--isolated",
            "--line-length",
            "100",
            "--select",
            "B,E,F,RUF,SIM,UP,W",
            ".",
        ],
        ["mypy", "--strict", "entrepot_tape.py"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=project,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
