"""Storage middlewares: offered by the hook, and a base that passes everything on."""

from __future__ import annotations

import inspect
import types
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, nullcontext

import pytest

from entrepot.core import (
    ConfigurationError,
    Driver,
    Entry,
    MiddlewareOptions,
    RegisterStorageMiddleware,
    WrappingDriver,
    hookimpl,
)
from entrepot.core.plugins import Plugins
from entrepot.core.streams import once
from entrepot.core.testing import DriverSuite, FaultyDriver, Opening
from entrepot.drivers.inmemory import InMemoryDriver, Store


class Options(MiddlewareOptions):
    """No options."""


@asynccontextmanager
async def open_nothing(_: Options, driver: Driver) -> AsyncGenerator[Driver, None]:
    yield WrappingDriver(driver)


def plugin(*names: str, aliases: tuple[str, ...] = ()) -> object:
    @hookimpl
    def register_storage_middlewares(register: RegisterStorageMiddleware) -> None:
        for name in names:
            register(name, open_nothing, Options, aliases=aliases)

    made = types.ModuleType("plugin")
    vars(made).update(register_storage_middlewares=register_storage_middlewares)
    return made


def test_middleware_found_by_name_and_alias() -> None:
    plugins = Plugins()
    plugins.add(plugin("glass", aliases=("pane",)), "one")

    assert plugins.storage_middleware("glass", "m") is plugins.storage_middleware("pane", "m")
    assert list(plugins.storage_middlewares) == ["glass"]
    assert plugins.models.storage_middlewares == {"glass": Options, "pane": Options}
    assert plugins.plugins[0].storage_middlewares == ("glass",)
    assert plugins.plugins[0].hooks == ("register_storage_middlewares",)


def test_unknown_middleware_names_the_place_the_nearest_the_installed_and_the_broken() -> None:
    plugins = Plugins()
    plugins.add(plugin("glass", "paper"), "one")
    plugins.refuse("two", "entrepot-two", "1.0", "import failed: no lib")

    with pytest.raises(ConfigurationError) as caught:
        plugins.storage_middleware("glas", "middleware.storage.0.name")

    assert str(caught.value) == (
        "middleware.storage.0.name: no storage middleware named 'glas' is installed; "
        "did you mean 'glass'?; installed: glass, paper; "
        "plug-in 'two' of entrepot-two does not work: import failed: no lib"
    )


def test_taken_name_is_the_second_plugins_problem_and_leaves_nothing_of_it() -> None:
    plugins = Plugins()
    plugins.add(plugin("glass"), "one")
    plugins.add(plugin("paper", "glass"), "two")

    assert list(plugins.storage_middlewares) == ["glass"]
    assert "storage middleware name 'glass' is taken by plug-in 'one'" in plugins.plugins[1].problem


def test_driver_and_middleware_may_have_one_name() -> None:
    plugins = Plugins()
    plugins.add(plugin("filesystem"), "one")

    assert plugins.plugins[0].problem == ""


def test_wrapping_overrides_every_method_of_the_contract() -> None:
    methods = {name for name, _ in inspect.getmembers(Driver, inspect.isfunction)}

    assert methods <= {"__init__", *vars(WrappingDriver)}


@pytest.mark.anyio
async def test_wrapping_asks_the_driver_within_what_it_was_asked() -> None:
    within = FaultyDriver(InMemoryDriver())
    within.exclusive_create = False
    driver = WrappingDriver(within)

    await driver.write("a", once(b"x"))
    await driver.copy("a", "b")
    await driver.move("b", "c")
    await driver.link("c", "GET", 1)
    await driver.upload("u").append(once(b"x"), 0)
    await driver.upload("u").commit("d", 1)

    asked = ["write", "copy", "move", "link", "append", "commit"]
    assert [operation for operation, _ in within.calls] == asked
    assert driver.exclusive_create is False
    assert driver.local_path("a") is None


@pytest.mark.anyio
async def test_what_a_subclass_changes_is_all_that_changes() -> None:
    class Loud(WrappingDriver):
        async def write(
            self, key: str, chunks: AsyncIterator[bytes], *, create: bool = False
        ) -> Entry:
            loud = once(b"".join([chunk async for chunk in chunks]).upper())
            return await super().write(key, loud, create=create)

    driver = Loud(InMemoryDriver())
    await driver.write("a", once(b"x"))

    assert [chunk async for chunk in driver.read("a")] == [b"X"]


class TestWrappedInMemory(DriverSuite):
    @pytest.fixture
    def open_driver(self) -> Opening:
        store = Store()
        return lambda: nullcontext(WrappingDriver(InMemoryDriver(store)))
