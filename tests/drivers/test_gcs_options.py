"""What a `gcs` section may say, and how it is read."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from pydantic import ValidationError

from entrepot.drivers.gcs import GcsOptions


def test_options_of_distribution_and_their_defaults() -> None:
    options = GcsOptions(bucket="images")

    assert (options.keyfile, options.credentials, options.rootdirectory) == ("", {}, "")
    assert options.chunksize == 16 * 1024 * 1024
    assert options.maxconcurrency == 50


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("bucket", "gs://images", "without gs://"),
        ("bucket", "Images", "no bucket has such a name"),
        ("chunksize", 5_000_000, "multiple of 262144"),
        ("chunksize", 1000, "262144"),
        ("chunksize", 1 << 40, "268435456"),
        ("maxconcurrency", -1, "greater than or equal to 0"),
        ("endpoint", "storage.example", "scheme and host"),
        ("endpoint", "https://storage.example/storage/v1", "without user, path"),
        ("endpoint", "https://me:secret@storage.example", "without user, path"),
        ("redirectendpoint", "ftp://storage.example", "scheme and host"),
        ("useragent", "two\nlines", "printable"),
        ("timeout", "0s", "some time"),
        ("bukcet", "images", "not permitted"),
    ],
)
def test_mistake_is_named(key: str, value: object, words: str) -> None:
    values: dict[str, Any] = {"bucket": "images", key: value}

    with pytest.raises(ValidationError, match=words) as raised:
        GcsOptions(**values)

    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    "given",
    [
        {"keyfile": "/key.json", "credentials": {"type": "service_account"}},
        {"keyfile": "/key.json", "anonymous": True},
        {"credentials": {"type": "service_account"}, "anonymous": True},
    ],
)
def test_two_kinds_of_credentials_exclude_each_other(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="exclude each other"):
        GcsOptions(bucket="images", **given)


def test_few_calls_are_raised_to_what_distribution_has_at_least() -> None:
    assert GcsOptions(bucket="images", maxconcurrency=3).maxconcurrency == 25


@pytest.mark.parametrize("root", ["a/b", "/a/b", "/a/b/", "a/b//"])
def test_root_is_one_prefix_however_it_is_written(root: str) -> None:
    assert GcsOptions(bucket="images", rootdirectory=root).root == "a/b/"


@pytest.mark.parametrize("root", ["", "/"])
def test_no_root_is_no_prefix(root: str) -> None:
    assert GcsOptions(bucket="images", rootdirectory=root).root == ""


def test_emulator_of_the_environment_is_used_without_credentials(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "127.0.0.1:4443")

    options = GcsOptions(bucket="images")

    assert options.emulator == "http://127.0.0.1:4443"
    assert not options.sends_credentials
    assert GcsOptions(bucket="images", keyfile="/key.json").sends_credentials


def test_endpoint_comes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "127.0.0.1:4443")

    options = GcsOptions(bucket="images", endpoint="https://storage.example/")

    assert (options.endpoint, options.emulator) == ("https://storage.example", "")
    assert options.sends_credentials


def test_credentials_are_not_shown() -> None:
    options = GcsOptions(bucket="images", credentials={"private_key": "very secret"})

    assert "very secret" not in repr(options)
    assert "very secret" not in str(options)


def test_without_the_extra_the_plug_in_is_there_and_says_what_is_missing() -> None:
    """In another process, where gcsfs cannot be imported."""
    script = """
import asyncio, sys
sys.modules["gcsfs"] = sys.modules["aiohttp"] = sys.modules["google"] = None
from entrepot.core import StorageError
from entrepot.drivers.gcs import GcsOptions, open_gcs

async def main():
    try:
        async with open_gcs(GcsOptions(bucket="images")):
            raise AssertionError
    except StorageError as error:
        print(error)

asyncio.run(main())
"""
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert "pip install 'entrepot[gcs]'" in done.stdout, done.stderr
