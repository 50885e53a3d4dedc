"""Files like those that Distribution ships: they load, or say only what is not there yet."""

from __future__ import annotations

from pathlib import Path

import pytest

from entrepot.core.configuration import load, unavailable
from entrepot.core.errors import ConfigurationError

SHIPPED = Path(__file__).parent / "shipped"

REFUSED = {
    "everything-2": [
        "middleware.registry",
        "middleware.repository",
    ],
}
"""What each file asks for that there will not be; a file that asks for nothing has no row."""


def refused(name: str) -> list[str]:
    """The paths of what a file asks for in vain."""
    try:
        load(SHIPPED / f"{name}.yml", {})
    except ConfigurationError as error:
        return [mistake.split(": ", 1)[0] for mistake in error.mistakes]
    return []


def test_every_file_is_tried() -> None:
    assert {path.stem for path in SHIPPED.iterdir()} >= set(REFUSED)


@pytest.mark.parametrize("name", sorted(path.stem for path in SHIPPED.iterdir()))
def test_shipped_file_says_only_what_is_not_there(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    not_yet = {row.path for row in unavailable.ROWS if row.reason == "not available yet"}
    for_good = tuple(row for row in unavailable.ROWS if row.path not in not_yet)

    assert [path for path in refused(name) if path not in not_yet] == REFUSED.get(name, [])
    monkeypatch.setattr(unavailable, "ROWS", for_good)
    assert refused(name) == REFUSED.get(name, [])


@pytest.mark.parametrize("name", ["image-2", "image-3"])
def test_image_file_without_what_is_not_there_yet(name: str) -> None:
    environ = {
        "REGISTRY_HTTP_DEBUG_ADDR": "",
        "REGISTRY_HTTP_DEBUG_PROMETHEUS_ENABLED": "false",
    }

    found = load(SHIPPED / f"{name}.yml", environ)

    assert found.notes == ()
    assert found.configuration.storage.driver == "filesystem"
    assert found.configuration.storage.parameters == {"rootdirectory": "/var/lib/registry"}
    assert found.configuration.http.headers == {"X-Content-Type-Options": ("nosniff",)}


def test_key_written_twice_as_in_a_shipped_file() -> None:
    environ = {"REGISTRY_HTTP_DEBUG_ADDR": "", "REGISTRY_STORAGE_S3_REGION": "eu"}

    found = load(SHIPPED / "s3.yml", environ)

    assert found.configuration.storage.parameters["secure"] is True
    assert found.configuration.storage.parameters["region"] == "eu"
    assert found.notes[0].startswith("secure: written twice; the last one counts [file ")
    assert found.notes[0].endswith("s3.yml line 23]")


def test_environment_of_a_plain_container() -> None:
    environ = {"REGISTRY_STORAGE_DELETE_ENABLED": "true", "REGISTRY_HTTP_ADDR": "0.0.0.0:5000"}

    configuration = load(None, environ).configuration

    assert configuration.storage.delete.enabled is True
    assert configuration.http.addr == "0.0.0.0:5000"
