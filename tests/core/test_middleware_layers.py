"""The configuration's storage middlewares: checked with their paths, opened in order."""

from __future__ import annotations

import types
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field

from entrepot.core import (
    AccessError,
    ConfigurationError,
    Driver,
    MiddlewareOptions,
    RegisterStorageMiddleware,
    WrappingDriver,
    hookimpl,
)
from entrepot.core.configuration import Configuration, load
from entrepot.core.layers import layers, wrapped
from entrepot.core.plugins import Plugins
from entrepot.drivers.inmemory import InMemoryDriver


class Options(MiddlewareOptions):
    """A middleware that adds its letter to every link."""

    letter: str = Field(min_length=1)
    fails: bool = False


class Signed(WrappingDriver):
    def __init__(self, driver: Driver, letter: str) -> None:
        super().__init__(driver)
        self.letter = letter

    async def link(self, key: str, method: Literal["GET", "HEAD"], seconds: int) -> str | None:
        return (await super().link(key, method, seconds) or "") + self.letter


CLOSED: list[str] = []


@asynccontextmanager
async def open_signed(options: Options, driver: Driver) -> AsyncGenerator[Driver, None]:
    if options.fails:
        raise AccessError("", "no ink left")
    yield Signed(driver, options.letter)
    CLOSED.append(options.letter)


@pytest.fixture
def plugins() -> Plugins:
    @hookimpl
    def register_storage_middlewares(register: RegisterStorageMiddleware) -> None:
        register("signed", open_signed, Options)

    made = types.ModuleType("plugin")
    vars(made).update(register_storage_middlewares=register_storage_middlewares)
    plugins = Plugins()
    plugins.add(made, "one")
    return plugins


def configured(tmp_path: Path, *items: str) -> Configuration:
    lines = "".join(f"    - {item}\n" for item in items)
    path = tmp_path / "config.yml"
    path.write_text(f"version: 0.1\nstorage: inmemory\nmiddleware:\n  storage:\n{lines}")
    return load(path, {}).configuration


@pytest.mark.anyio
async def test_first_of_the_file_is_next_to_the_store(tmp_path: Path, plugins: Plugins) -> None:
    configuration = configured(
        tmp_path,
        "{name: signed, options: {letter: a}}",
        "{name: signed, disabled: true, options: {letter: b}}",
        "{name: signed, options: {letter: c}}",
    )
    CLOSED.clear()

    async with wrapped(InMemoryDriver(), layers(configuration, plugins)) as driver:
        assert await driver.link("k", "GET", 1) == "ac"
        assert CLOSED == []
    assert CLOSED == ["c", "a"]


def test_every_mistake_is_told_with_its_path(tmp_path: Path, plugins: Plugins) -> None:
    configuration = configured(
        tmp_path,
        "{name: singed, options: {letter: a}}",
        "{name: signed, options: {leter: a}}",
        "{options: {letter: a}}",
        "{name: nothing, disabled: true}",
    )

    with pytest.raises(ConfigurationError) as caught:
        layers(configuration, plugins)

    place = f"[file {tmp_path}/config.yml line 6]"
    named = "middleware.storage.0.name: no storage middleware named"
    assert caught.value.mistakes == (
        f"{named} 'singed' is installed; did you mean 'signed'?; installed: signed",
        f"middleware.storage.1.options.letter: missing; give it a value {place}",
        f"middleware.storage.1.options.leter: unknown key; did you mean 'letter'? {place}",
        "middleware.storage.2.name: no storage middleware named '' is installed; installed: signed",
    )


def test_loading_tells_the_mistakes_in_options_with_all_others(
    tmp_path: Path, plugins: Plugins
) -> None:
    path = tmp_path / "config.yml"
    path.write_text(
        "version: 0.1\nstorage: inmemory\nhttp: {nothing: 1}\n"
        "middleware: {storage: [{name: signed}, {name: signed, disabled: true}]}\n"
    )

    with pytest.raises(ConfigurationError) as caught:
        load(path, {}, plugins.models)

    paths = [mistake.partition(":")[0] for mistake in caught.value.mistakes]
    assert paths == ["http.nothing", "middleware.storage.0.options.letter"]


def test_options_come_from_variables_too(plugins: Plugins) -> None:
    variables = {
        "REGISTRY_STORAGE": "inmemory",
        "REGISTRY_MIDDLEWARE_STORAGE_0_NAME": "signed",
        "REGISTRY_MIDDLEWARE_STORAGE_0_OPTIONS_LETTER": "7",
    }

    (layer,) = layers(load(None, variables).configuration, plugins)

    assert layer.options == Options(letter="7")


@pytest.mark.anyio
async def test_middleware_that_cannot_be_opened_is_named(tmp_path: Path, plugins: Plugins) -> None:
    configuration = configured(tmp_path, "{name: signed, options: {letter: a, fails: true}}")

    with pytest.raises(AccessError, match="signed: no ink left"):
        async with wrapped(InMemoryDriver(), layers(configuration, plugins)):
            pass
