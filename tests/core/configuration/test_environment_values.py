"""Variables that name a file with the value, and variables of drivers whose keys are known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from entrepot.core.configuration import Configuration, Loaded, PluggedModels, load
from entrepot.core.driver import DriverOptions

Load = Callable[..., Loaded]
Refuse = Callable[..., tuple[str, ...]]

HEAD = "version: 0.1\nstorage: inmemory\n"


class AzureOptions(DriverOptions):
    """Options with underscores in their names, as Distribution's azure driver has them."""

    container: str
    max_retries: int = 5
    key_file: str = ""


def at(configuration: Configuration, path: str) -> Any:
    value: Any = configuration
    for key in path.split("."):
        value = value[int(key)] if key.isdecimal() else getattr(value, key)
    return value


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("REGISTRY_HTTP_SECRET_FILE", "http.secret"),
        ("REGISTRY_PROXY_PASSWORD_FILE", "proxy.password"),
        ("REGISTRY_REDIS_OPTIONS_PASSWORD_FILE", "redis.password"),
    ],
)
@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_value_from_a_file(loaded: Load, tmp_path: Path, name: str, path: str, end: str) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(f"0: [a] #1 {end}".encode())

    found = loaded(HEAD, {name: str(secret)})

    assert at(found.configuration, path) == "0: [a] #1 "
    assert f"environment {name}" in found.origins[path]


@pytest.mark.parametrize("text", ["{s3: {secretkey: a}}", "{s3: }", "s3"])
def test_parameter_of_a_driver_from_a_file(loaded: Load, tmp_path: Path, text: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text("12345\n")

    storage = loaded(
        f"version: 0.1\nstorage: {text}\n", {"REGISTRY_STORAGE_S3_SECRETKEY_FILE": str(secret)}
    ).configuration.storage

    assert storage.parameters == {"secretkey": "12345"}


def test_key_that_ends_in_file_is_meant_itself(loaded: Load) -> None:
    text = "version: 0.1\nstorage: {azure: {key_file: /a, key: b}}\n"

    storage = loaded(text, {"REGISTRY_STORAGE_AZURE_KEY_FILE": "/c"}).configuration.storage

    assert storage.parameters == {"key_file": "/c", "key": "b"}


def test_value_and_its_file_are_both_set(refused: Refuse, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s3cr3t")
    environ = {"REGISTRY_HTTP_SECRET": "s3cr3t", "REGISTRY_HTTP_SECRET_FILE": str(secret)}

    assert refused(HEAD, environ) == (
        "REGISTRY_HTTP_SECRET_FILE: REGISTRY_HTTP_SECRET is set, too; unset one of them",
    )


def test_file_of_a_value_that_is_not_there(refused: Refuse, tmp_path: Path) -> None:
    assert refused(HEAD, {"REGISTRY_HTTP_SECRET_FILE": str(tmp_path / "none")}) == (
        "REGISTRY_HTTP_SECRET_FILE: cannot read the file that it names: No such file or directory",
    )


def test_file_of_a_value_that_is_not_text(refused: Refuse, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"\xff")

    assert refused(HEAD, {"REGISTRY_HTTP_SECRET_FILE": str(secret)}) == (
        "REGISTRY_HTTP_SECRET_FILE: cannot read the file that it names: it is not UTF-8 text",
    )


def test_key_with_underscores_of_a_known_driver() -> None:
    environ = {
        "REGISTRY_STORAGE_AZURE_CONTAINER": "c",
        "REGISTRY_STORAGE_AZURE_MAX_RETRIES": "9",
        "REGISTRY_STORAGE_AZURE_KEY_FILE": "/k",
    }

    storage = load(
        None, environ, PluggedModels(drivers={"azure": AzureOptions})
    ).configuration.storage

    assert storage.parameters == {"container": "c", "max_retries": 9, "key_file": "/k"}


def test_unknown_key_of_a_known_driver_is_noted_with_what_was_meant() -> None:
    environ = {"REGISTRY_STORAGE_AZURE": "{container: c}", "REGISTRY_STORAGE_AZURE_CONTANER": "d"}

    found = load(None, environ, PluggedModels(drivers={"azure": AzureOptions}))

    assert found.configuration.storage.parameters == {"container": "c"}
    assert found.notes[0].startswith("REGISTRY_STORAGE_AZURE_CONTANER: unrecognised")


def test_value_that_is_not_utf_8(refused: Refuse) -> None:
    assert refused(HEAD, {"REGISTRY_HTTP_HOST": "\udcff"}) == (
        "http.host: text is wanted; these bytes are no UTF-8 [environment REGISTRY_HTTP_HOST]",
    )
