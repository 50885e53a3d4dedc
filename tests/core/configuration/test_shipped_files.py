"""Files like those that Distribution ships: they load, or say only what is not there yet."""

from __future__ import annotations

from pathlib import Path

import pytest

from entrepot.core.configuration import load
from entrepot.core.errors import ConfigurationError

SHIPPED = Path(__file__).parent / "shipped"

MISSING = {
    "image-3": ["http.debug.addr"],
    "development": ["http.debug.addr"],
    "cache-2": [
        "http.debug.addr",
        "proxy.remoteurl",
        "storage.cache.blobdescriptor",
    ],
    "cache-3": [
        "http.debug.addr",
        "proxy.remoteurl",
        "storage.cache.blobdescriptor",
    ],
    "example": ["auth"],
    "s3": ["http.debug.addr"],
    "everything-2": [
        "auth",
        "http.tls",
        "http.tls.letsencrypt",
        "http.debug.addr",
        "notifications.endpoints",
        "proxy.remoteurl",
        "storage.cache.blobdescriptor",
        "storage.maintenance.uploadpurging",
        "middleware.registry",
        "middleware.repository",
    ],
    "everything-3": [
        "auth",
        "http.tls",
        "http.tls.letsencrypt",
        "proxy.remoteurl",
        "storage.cache.blobdescriptor",
        "policy.repository.classes",
        "validation.manifests.indexes.platforms",
    ],
}
"""What each file asks for that is not there yet; a file that asks for nothing has no row."""


def test_every_file_is_tried() -> None:
    assert {path.stem for path in SHIPPED.iterdir()} >= set(MISSING)


@pytest.mark.parametrize("name", sorted(path.stem for path in SHIPPED.iterdir()))
def test_shipped_file_says_only_what_is_not_there_yet(name: str) -> None:
    found: tuple[str, ...] = ()
    try:
        load(SHIPPED / f"{name}.yml", {})
    except ConfigurationError as error:
        found = error.mistakes

    rows = [mistake.split(": ", 1) for mistake in found]
    assert [path for path, _ in rows] == MISSING.get(name, [])
    assert all(rest.startswith("not available yet; ") for _, rest in rows)


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
