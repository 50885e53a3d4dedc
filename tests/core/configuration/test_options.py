"""A driver's untyped parameters read by its options model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import Field, SecretStr

from entrepot.core.configuration import (
    Configuration,
    Duration,
    Loaded,
    PluggedModels,
    driver_options,
    load,
)
from entrepot.core.driver import DriverOptions
from entrepot.core.errors import ConfigurationError

Load = Callable[..., Loaded]


class Credentials(DriverOptions):
    """A section in a section."""

    type: str
    secret: SecretStr = SecretStr("")


class Options(DriverOptions):
    """One option of each kind."""

    bucket: str
    region: str = ""
    secure: bool = True
    chunksize: int = Field(default=10, ge=5)
    ratio: float = 1.0
    secretkey: SecretStr = SecretStr("")
    loglevel: Literal["off", "debug"] = "off"
    timeout: Duration = Duration.parse("1s")
    hosts: tuple[str, ...] = ()
    credentials: Credentials | None = None
    either: int | list[int] = 0
    extra: dict[str, Any] = Field(default_factory=dict[str, Any])


class NoOptions(DriverOptions):
    """A driver that has none."""


def read(loaded: Load, parameters: str) -> Options:
    text = f"version: 0.1\nstorage:\n  s3: {parameters}\n"
    return driver_options(loaded(text).configuration.storage, Options)


@pytest.mark.parametrize(
    ("parameters", "name", "value"),
    [
        ("{bucket: b}", "bucket", "b"),
        ("{bucket: 0123}", "bucket", "0123"),
        ("{bucket: 1.10}", "bucket", "1.10"),
        ("{bucket: yes}", "bucket", "yes"),
        ("{bucket: b, region: }", "region", ""),
        ("{bucket: b, secure: no}", "secure", False),
        ("{bucket: b, secure: 'false'}", "secure", False),
        ("{bucket: b, secure: 'No'}", "secure", False),
        ("{bucket: b, chunksize: '5242880'}", "chunksize", 5242880),
        ("{bucket: b, chunksize: 0x10}", "chunksize", 16),
        ("{bucket: b, ratio: 2}", "ratio", 2.0),
        ("{bucket: b, secretkey: 007}", "secretkey", SecretStr("007")),
        ("{bucket: b, loglevel: off}", "loglevel", "off"),
        ("{bucket: b, timeout: 5s}", "timeout", Duration.parse("5s")),
        ("{bucket: b, hosts: [a, 1]}", "hosts", ("a", "1")),
        ("{bucket: b, extra: {on: yes, n: 1, t: x}}", "extra", {"on": True, "n": 1, "t": "x"}),
        ("{bucket: b, credentials: {type: 1, secret: 2}}", "credentials",
         Credentials(type="1", secret=SecretStr("2"))),
    ],
)  # fmt: skip
def test_options_taken(loaded: Load, parameters: str, name: str, value: object) -> None:
    assert getattr(read(loaded, parameters), name) == value


@pytest.mark.parametrize(
    ("parameters", "mistakes"),
    [
        ("{}", ["storage.s3.bucket: missing; give it a value"]),
        ("{bucket: }", ["storage.s3.bucket: missing; give it a value"]),
        ("{bucket: a, bukcet: b}", ["storage.s3.bukcet: unknown key; did you mean 'bucket'?"]),
        ("{bucket: a, Region: b}", ["storage.s3.Region: unknown key; did you mean 'region'?"]),
        ("{bucket: a, regoin: }", ["storage.s3.regoin: unknown key; did you mean 'region'?"]),
        ("{bucket: [a]}", ["storage.s3.bucket: text is wanted; put a single value here"]),
        ("{bucket: a, secure: maybe}", ["storage.s3.secure: true or false is wanted"]),
        ("{bucket: a, chunksize: 1}", ["storage.s3.chunksize: at least 5 is wanted"]),
        ("{bucket: a, chunksize: 7.5}", ["storage.s3.chunksize: a whole number is wanted"]),
        ("{bucket: a, ratio: x}", ["storage.s3.ratio: a number is wanted"]),
        ("{bucket: a, loglevel: on}", ["storage.s3.loglevel: one of 'off' or 'debug' is wanted"]),
        ("{bucket: a, hosts: b}",
         ["storage.s3.hosts: a list is wanted; put it in square brackets"]),
        ("{bucket: a, timeout: 5}", []),
        ("{bucket: a, timeout: 5x}",
         ["storage.s3.timeout: a duration is wanted; write it like 300ms, 10s, 5m or 168h"]),
        ("{bucket: a, credentials: b}",
         ["storage.s3.credentials: a section is wanted; put `key: value` lines below it"]),
        ("{bucket: a, credentials: {typ: b}}",
         ["storage.s3.credentials.type: missing; give it a value",
          "storage.s3.credentials.typ: unknown key; did you mean 'type'?"]),
        ("{bucket: a, either: x}",
         ["storage.s3.either: a whole number is wanted",
          "storage.s3.either: a list is wanted; put it in square brackets"]),
        ("{bukcet: a, secure: maybe, chunksize: 1}",
         ["storage.s3.bucket: missing; give it a value",
          "storage.s3.secure: true or false is wanted",
          "storage.s3.chunksize: at least 5 is wanted",
          "storage.s3.bukcet: unknown key; did you mean 'bucket'?"]),
    ],
)  # fmt: skip
def test_options_refused(loaded: Load, parameters: str, mistakes: list[str]) -> None:
    found: tuple[str, ...] = ()
    try:
        read(loaded, parameters)
    except ConfigurationError as error:
        found = error.mistakes

    assert found == tuple(f"{mistake} [file config.yml line 3]" for mistake in mistakes)


def test_option_of_a_driver_that_has_none(loaded: Load) -> None:
    storage = loaded("version: 0.1\nstorage: {inmemory: {size: 1}}\n").configuration.storage

    with pytest.raises(ConfigurationError) as caught:
        driver_options(storage, NoOptions)
    assert caught.value.mistakes == (
        (
            "storage.inmemory.size: unknown key; remove it, there are none here "
            "[file config.yml line 2]"
        ),
    )


def test_option_from_a_variable_is_named_in_its_mistake() -> None:
    storage = load(None, {"REGISTRY_STORAGE_S3_BUKCET": "b"}).configuration.storage

    with pytest.raises(ConfigurationError) as caught:
        driver_options(storage, Options)
    assert caught.value.mistakes[1] == (
        "storage.s3.bukcet: unknown key; did you mean 'bucket'? "
        "[environment REGISTRY_STORAGE_S3_BUKCET]"
    )


def test_no_secret_in_mistakes(loaded: Load) -> None:
    parameters = "{bucket: [s3cr3t], secretkey: [s3cr3t], secure: s3cr3t, loglevel: s3cr3t}"

    with pytest.raises(ConfigurationError) as caught:
        read(loaded, parameters)
    assert len(caught.value.mistakes) == 4
    assert "s3cr3t" not in str(caught.value)


def test_options_of_plain_python() -> None:
    configuration = Configuration.model_validate({"storage": {"s3": {"bucket": "b"}}})

    assert driver_options(configuration.storage, Options).bucket == "b"


def test_load_checks_the_driver_with_the_rest(tmp_path: Path) -> None:
    file = tmp_path / "config.yml"
    file.write_text("version: 0.1\nstorage: {s3: {}}\nhttp: {adr: x}\n")

    with pytest.raises(ConfigurationError) as caught:
        load(file, {}, PluggedModels(drivers={"s3": Options}))
    assert [mistake.split(": ")[0] for mistake in caught.value.mistakes] == [
        "http.adr",
        "storage.s3.bucket",
    ]


def test_load_leaves_a_driver_that_it_does_not_know(loaded: Load) -> None:
    text = "version: 0.1\nstorage: {unheard: {of: 1}}\n"

    assert loaded(text).configuration.storage.driver == "unheard"
