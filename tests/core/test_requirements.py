"""What people are told to install."""

from __future__ import annotations

import sys
import types
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from entrepot.core import ConfigurationError, Driver, DriverOptions, RegisterDriver, hookimpl
from entrepot.core.plugins import Plugins, load_plugins
from entrepot.core.requirements import absent, told_missing

METADATA = """\
Metadata-Version: 2.4
Name: entrepot-tape
Version: 1.0
Requires-Dist: entrepot
Requires-Dist: tape-drive>=3
Requires-Dist: robot_arm<2; python_version > "3"
Requires-Dist: tape_client>=2; extra == "reel"
Requires-Dist: other-client>=2; python_version > "3" and extra == 'cassette'
Requires-Dist: tape-client; extra == "all"
Provides-Extra: all
Provides-Extra: reel
Provides-Extra: cassette
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A distribution `entrepot-tape` whose extras are not installed."""
    folder = tmp_path / "entrepot_tape-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(METADATA, encoding="utf-8")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("module", "name", "command"),
    [
        ("tape_drive.heads", "tape", "'tape-drive>=3'"),
        ("robot_arm", "reel", "'robot_arm<2'"),
        ("tape_client", "reel", "'entrepot-tape[reel]'"),
        ("tape_client.deep.inside", "reel", "'entrepot-tape[reel]'"),
        ("othername", "cassette", "'entrepot-tape[cassette]'"),
        ("other_client", "tape", "'entrepot-tape[cassette]'"),
    ],
)
def test_command_is_found_in_what_is_required(module: str, name: str, command: str) -> None:
    told = absent(["json", module], "entrepot-tape", name)

    assert told == f"needs {module}, which is not installed: pip install {command}"


@pytest.mark.usefixtures("installed")
def test_no_command_is_made_up() -> None:
    for distribution in ("entrepot-tape", "not-there", ""):
        told = told_missing("elsewhere", distribution, "tape")

        assert told == "needs elsewhere, which is not installed"


@pytest.mark.usefixtures("installed")
def test_what_pip_cannot_install_is_said_by_the_plugin() -> None:
    needed = {"json": "nobody reads this", "tape_client": "apt install python3-tape"}

    told = absent(needed, "entrepot-tape", "tape")

    assert told == "needs tape_client, which is not installed: apt install python3-tape"


def test_nothing_is_said_of_what_is_there() -> None:
    assert absent(["json", "xml.dom"], "entrepot", "tape") == ""


class Options(DriverOptions):
    """No options."""


@asynccontextmanager
async def open_nothing(_: Options) -> AsyncGenerator[Driver, None]:
    raise NotImplementedError
    yield


@hookimpl
def register_drivers(register: RegisterDriver) -> None:
    register("reel", open_nothing, Options, needs=["tape_client"])
    register("disk", open_nothing, Options, needs=["json"])


@pytest.mark.usefixtures("installed")
def test_driver_whose_library_is_missing_is_listed_and_refused() -> None:
    plugin = types.ModuleType("plugin")
    vars(plugin).update(register_drivers=register_drivers)
    plugins = Plugins()
    plugins.add(plugin, "tape", "entrepot-tape", "1.0")

    assert plugins.driver("disk").problem == ""
    assert "tape_client" in plugins.drivers["reel"].problem
    with pytest.raises(ConfigurationError) as caught:
        plugins.driver("reel")
    assert str(caught.value) == (
        "storage.reel: this driver needs tape_client, which is not installed: "
        "pip install 'entrepot-tape[reel]'"
    )


def test_plugin_that_imports_what_is_missing_says_what(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "imports_in_vain.py").write_text("import not_there_at_all\n", encoding="utf-8")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])

    point = EntryPoint("vain", "imports_in_vain", "entrepot")

    (listed,) = load_plugins(found=[point]).plugins
    assert listed.problem == "needs not_there_at_all, which is not installed"
