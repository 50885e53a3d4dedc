"""The plug-in manager: what it loads, what it lists, what it refuses with whose name."""

from __future__ import annotations

import types
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.metadata import EntryPoint

import pytest

from entrepot.core import Driver, DriverOptions, RegisterDriver, hookimpl
from entrepot.core.errors import ConfigurationError
from entrepot.core.plugins import Plugins, disabled_by, load_plugins


class Options(DriverOptions):
    """No options."""


@asynccontextmanager
async def open_nothing(_: Options) -> AsyncGenerator[Driver, None]:
    raise NotImplementedError
    yield


def plugin(*names: str, aliases: tuple[str, ...] = ()) -> object:
    @hookimpl
    def register_drivers(register: RegisterDriver) -> None:
        for name in names:
            register(name, open_nothing, Options, aliases=aliases)

    return module(register_drivers=register_drivers)


def module(**functions: object) -> object:
    made = types.ModuleType("plugin")
    vars(made).update(functions)
    return made


def test_driver_found_by_name_and_alias() -> None:
    plugins = Plugins()
    plugins.add(plugin("tape", aliases=("reel",)), "one")

    assert plugins.driver("tape") is plugins.driver("reel")
    assert list(plugins.drivers) == ["tape"]


def test_unknown_driver_names_the_nearest_the_installed_and_the_broken() -> None:
    plugins = Plugins()
    plugins.add(plugin("tape", "disk"), "one")
    plugins.refuse("two", "entrepot-two", "1.0", "import failed: no lib")

    with pytest.raises(ConfigurationError) as caught:
        plugins.driver("tapes")

    text = str(caught.value)
    assert "did you mean 'tape'?" in text
    assert "installed: disk, tape" in text
    assert "'two' of entrepot-two does not work: import failed: no lib" in text


def test_taken_name_is_the_second_plugins_problem_and_leaves_nothing_of_it() -> None:
    plugins = Plugins()
    plugins.add(plugin("tape"), "one")
    plugins.add(plugin("disk", "tape"), "two")

    assert list(plugins.drivers) == ["tape"]
    assert "taken by plug-in 'one'" in plugins.plugins[1].problem


def test_misspelt_hook_is_named() -> None:
    @hookimpl
    def register_driver(register: RegisterDriver) -> None: ...

    plugins = Plugins()
    plugins.add(module(register_driver=register_driver), "one")

    assert "register_driver" in plugins.plugins[0].problem


def test_plugin_that_fails_to_import_is_listed_and_keeps_the_others() -> None:
    points = [
        EntryPoint("broken", "no_such_module_anywhere", "entrepot"),
        EntryPoint("inmemory", "entrepot.drivers.inmemory", "entrepot"),
    ]

    plugins = load_plugins(found=points)

    assert "no_such_module_anywhere" in plugins.plugins[0].problem
    assert "inmemory" in plugins.drivers


def test_disabled_plugin_is_not_imported() -> None:
    points = [EntryPoint("broken", "no_such_module_anywhere", "entrepot")]
    disabled = disabled_by({"ENTREPOT_DISABLE_PLUGINS": " broken, other "})

    plugins = load_plugins(disabled, points)

    assert plugins.plugins[0].problem == "disabled by ENTREPOT_DISABLE_PLUGINS"


def test_built_in_drivers_come_by_entry_points() -> None:
    assert {"filesystem", "inmemory"} <= set(load_plugins().drivers)
