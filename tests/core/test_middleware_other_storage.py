"""A middleware whose options name a further driver: checked, hidden and opened like `storage`."""

from __future__ import annotations

import types
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from entrepot.core import (
    AccessError,
    ConfigurationError,
    Driver,
    DriverOptions,
    MiddlewareOptions,
    OtherStorage,
    RegisterDriver,
    RegisterStorageMiddleware,
    StorageError,
    WrappingDriver,
    hookimpl,
)
from entrepot.core.configuration import Loaded, load, shown
from entrepot.core.layers import layers, wrapped
from entrepot.core.plugins import Plugins
from entrepot.drivers.inmemory import InMemoryDriver


class TapeOptions(DriverOptions):
    reel: str
    pin: SecretStr = SecretStr("")


class TwinOptions(MiddlewareOptions):
    storage: OtherStorage


class Twin(WrappingDriver):
    def __init__(self, driver: Driver, other: Driver) -> None:
        super().__init__(driver)
        self.other = other


REELS: list[str] = []


@asynccontextmanager
async def open_tape(options: TapeOptions) -> AsyncGenerator[Driver, None]:
    if options.reel == "torn":
        raise AccessError("", "the reel is torn")
    REELS.append(options.reel)
    yield InMemoryDriver()
    REELS.remove(options.reel)


@asynccontextmanager
async def open_twin(options: TwinOptions, driver: Driver) -> AsyncGenerator[Driver, None]:
    async with options.storage.open() as other:
        yield Twin(driver, other)


@pytest.fixture
def plugins() -> Plugins:
    @hookimpl
    def register_storage_middlewares(register: RegisterStorageMiddleware) -> None:
        register("twin", open_twin, TwinOptions)

    @hookimpl
    def register_drivers(register: RegisterDriver) -> None:
        register("tape", open_tape, TapeOptions)

    made = types.ModuleType("plugin")
    vars(made).update(
        register_storage_middlewares=register_storage_middlewares,
        register_drivers=register_drivers,
    )
    plugins = Plugins()
    plugins.add(made, "one")
    return plugins


def loaded(tmp_path: Path, storage: str, plugins: Plugins | None = None) -> Loaded:
    path = tmp_path / "config.yml"
    path.write_text(
        "version: 0.1\nstorage:\n  tape: {reel: a}\n"
        f"middleware:\n  storage:\n    - name: twin\n      options: {{storage: {storage}}}\n"
    )
    return load(path, {}, *([plugins.models] if plugins else []))


@pytest.mark.anyio
async def test_other_driver_is_open_as_long_as_the_middleware(
    tmp_path: Path, plugins: Plugins
) -> None:
    around = layers(loaded(tmp_path, "{tape: {reel: b}}").configuration, plugins)

    async with wrapped(InMemoryDriver(), around) as driver:
        assert isinstance(driver, Twin)
        assert REELS == ["b"]
        with pytest.raises(StorageError, match=r"^tape: a: no such object"):
            await driver.other.stat("a")
    assert REELS == []


@pytest.mark.anyio
async def test_other_driver_that_cannot_be_opened_is_named(
    tmp_path: Path, plugins: Plugins
) -> None:
    around = layers(loaded(tmp_path, "{tape: {reel: torn}}").configuration, plugins)

    with pytest.raises(AccessError, match=r"^tape: the reel is torn"):
        async with wrapped(InMemoryDriver(), around):
            pass


_FORM = "a section with one driver is wanted, like `filesystem: {rootdirectory: /data}`"


@pytest.mark.parametrize(
    ("storage", "mistake"),
    [
        ("{tape: {}}", "tape.reel: missing; give it a value"),
        ("{tape: }", "tape.reel: missing; give it a value"),
        ("{tape: {reel: b, pim: 1}}", "tape.pim: unknown key; did you mean 'pin'?"),
        ("{tape: {reel: b}, tope: {}}", _FORM),
        ("{}", _FORM),
        ("tape", _FORM),
        ("{tape: b}", _FORM),
    ],
)
def test_mistakes_have_their_path_at_start_and_on_loading(
    tmp_path: Path, plugins: Plugins, storage: str, mistake: str
) -> None:
    separator = ": " if mistake == _FORM else "."
    told = f"middleware.storage.0.options.storage{separator}{mistake}"

    with pytest.raises(ConfigurationError) as caught:
        layers(loaded(tmp_path, storage).configuration, plugins)
    assert [one.partition(" [")[0] for one in caught.value.mistakes] == [told]

    with pytest.raises(ConfigurationError) as caught:
        loaded(tmp_path, storage, plugins)
    assert [one.partition(" [")[0] for one in caught.value.mistakes] == [told]


def test_unknown_driver_is_told_with_its_path(tmp_path: Path, plugins: Plugins) -> None:
    with pytest.raises(ConfigurationError) as caught:
        layers(loaded(tmp_path, "{tap: {}}", plugins).configuration, plugins)

    assert str(caught.value) == (
        "middleware.storage.0.options.storage: no driver named 'tap' is installed; "
        "did you mean 'tape'?; installed: tape"
    )


def test_text_that_looks_like_a_number_stays_text(tmp_path: Path, plugins: Plugins) -> None:
    layers(loaded(tmp_path, "{tape: {reel: 0123}}").configuration, plugins)


def test_secrets_are_hidden_like_those_of_storage(tmp_path: Path, plugins: Plugins) -> None:
    found = loaded(tmp_path, "{tape: {reel: b, pin: 1234}}", plugins)

    (item,) = shown(found, plugins.models)["middleware"]["storage"]
    assert item["options"] == {"storage": {"tape": {"reel": "b", "pin": "******"}}}


def test_variables_reach_the_other_drivers_parameters(tmp_path: Path, plugins: Plugins) -> None:
    path = tmp_path / "config.yml"
    path.write_text(
        "version: 0.1\nstorage:\n  tape: {reel: a}\n"
        "middleware: {storage: [{name: twin, options: {storage: {tape: {reel: b}}}}]}\n"
    )
    variable = "REGISTRY_MIDDLEWARE_STORAGE_0_OPTIONS_STORAGE_TAPE_REEL"
    configuration = load(path, {variable: "c"}, plugins.models).configuration

    (layer,) = layers(configuration, plugins)

    assert isinstance(layer.options, TwinOptions)
    assert layer.options.storage.written == {"reel": "c"}


def test_options_made_by_hand_cannot_be_opened_and_say_so() -> None:
    options = TwinOptions.model_validate({"storage": {"tape": {"reel": "b"}}})

    with pytest.raises(RuntimeError, match="'tape'"):
        options.storage.open()


def test_options_without_the_storage_are_a_mistake_of_pydantic() -> None:
    with pytest.raises(ValidationError, match="Field required"):
        TwinOptions.model_validate({})


def test_schema_of_the_options_describes_a_section_with_one_key() -> None:
    field = TwinOptions.model_json_schema()["properties"]["storage"]

    assert (field["type"], field["minProperties"], field["maxProperties"]) == ("object", 1, 1)
