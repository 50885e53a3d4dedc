"""docs/access.md tells the truth: its configurations start, its commands say what it shows."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from tests.server.authorization.conftest import USERS
from typer.testing import CliRunner

from entrepot.core.configuration import load
from entrepot.core.plugins import Plugins
from entrepot.server.app import create_app
from entrepot.server.authorization.keys import write_key
from entrepot.server.authorization.options import IssuingOptions
from entrepot.server.cli import app

PAGE = (Path(__file__).parents[3] / "docs" / "access.md").read_text()
CONFIGURATIONS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
SHOWN = re.findall(r"^\$ (entrepot auth explain .*)\n((?:[^$`].*\n)+)", PAGE, re.MULTILINE)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What is below /etc/entrepot."""
    (tmp_path / "users").write_text(USERS)
    write_key(str(tmp_path / "token-key.pem"))
    (tmp_path / "access.yml").write_text("rules:\n- {users: [alice], actions: [catalog]}\n")
    return tmp_path


def placed(text: str, folder: Path) -> str:
    moved = text.replace("/etc/entrepot", str(folder))
    return moved.replace("/var/lib/registry", str(folder / "registry"))


@pytest.mark.parametrize("number", range(len(CONFIGURATIONS)))
def test_configuration_starts(folder: Path, plugins: Plugins, number: int) -> None:
    file = folder / "config.yml"
    file.write_text(placed(CONFIGURATIONS[number], folder))

    configuration = load(file, {}, plugins.models).configuration

    with TestClient(create_app(configuration, plugins), "http://localhost") as client:
        expected = 200 if configuration.auth.method == "certificate" else 401
        assert client.get("/v2/").status_code == expected


@pytest.mark.parametrize(("command", "output"), SHOWN)
def test_command_says_what_is_shown(
    folder: Path, monkeypatch: pytest.MonkeyPatch, command: str, output: str
) -> None:
    monkeypatch.chdir(folder)
    (folder / "config.yml").write_text(placed(CONFIGURATIONS[0], folder))

    result = CliRunner().invoke(app, shlex.split(command)[1:])

    assert result.stdout == output
    assert result.exit_code == (0 if output.startswith("allowed") else 1)


def test_page_shows_commands_and_configurations() -> None:
    assert (len(CONFIGURATIONS), len(SHOWN)) == (4, 2)


def test_table_of_options_has_each_with_its_default() -> None:
    table = PAGE.partition("| key | default |")[2].partition("\n\n")[0]
    shown = {
        key: default.strip().strip("`")
        for keys, default in re.findall(r"^\| (`.*?`) \| (.*?)\|", table, re.MULTILINE)
        for key in re.findall(r"`(\w+)`", keys)
    }
    words = {"()": "none", "": "", "5m0s": "5m", "2160h0m0s": "2160h"}

    assert shown == {
        name: "**required**"
        if field.is_required()
        else words.get(str(field.default), str(field.default))
        for name, field in IssuingOptions.model_fields.items()
    }
