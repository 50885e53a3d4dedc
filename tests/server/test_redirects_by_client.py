"""Who is sent to the backend and who is not, by the network in which the client is."""

from __future__ import annotations

import types
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Literal

import pytest
from starlette.testclient import TestClient
from tests.server.conftest import Pusher

from entrepot.core import (
    ConfigurationError,
    Driver,
    DriverOptions,
    RegisterDriver,
    hookimpl,
    link_client,
)
from entrepot.core.configuration import load
from entrepot.core.plugins import Plugins
from entrepot.drivers.inmemory import InMemoryDriver
from entrepot.server.app import create_app

INSIDE = {"STORAGE_REDIRECT_EXCEPTNETWORKS": "[10.0.0.0/8, '2001:db8:a::/48']"}
ONLY = {"STORAGE_REDIRECT_NETWORKS": "[10.0.0.0/8]"}
BOTH = {**ONLY, "STORAGE_REDIRECT_EXCEPTNETWORKS": "[10.1.0.0/16]"}
PROXIED = {"HTTP_TRUSTEDPROXIES": "[192.0.2.0/24]"}


class Naming(InMemoryDriver):
    """Its links say for whom they are."""

    async def link(self, key: str, method: Literal["GET", "HEAD"], seconds: int) -> str | None:
        return f"https://bucket.test/{link_client()}"


def client_at(peer: str, variables: dict[str, str]) -> TestClient:
    """A client at an address, of a registry configured by REGISTRY_* variables."""

    @asynccontextmanager
    async def opened(_: DriverOptions) -> AsyncGenerator[Driver, None]:
        yield Naming()

    @hookimpl
    def register_drivers(register: RegisterDriver) -> None:
        register("naming", opened, DriverOptions)

    plugin: Any = types.ModuleType("plugin")
    plugin.register_drivers = register_drivers
    plugins = Plugins()
    plugins.add(plugin, "naming")
    environment = {f"REGISTRY_{name}": value for name, value in variables.items()}
    configuration = load(None, {"REGISTRY_STORAGE": "naming"} | environment).configuration
    return TestClient(
        create_app(configuration, plugins),
        base_url="http://registry.test",
        follow_redirects=False,
        client=(peer, 1),
    )


def answer(peer: str, variables: dict[str, str], forwarded: str = "") -> tuple[int, str]:
    """Status and location of a pull of a blob."""
    with client_at(peer, variables) as client:
        digest = Pusher(client).blob("a", b"content")
        headers = {"X-Forwarded-For": forwarded} if forwarded else {}
        response = client.get(f"/v2/a/blobs/{digest}", headers=headers)
    if response.status_code == 200:
        assert response.content == b"content"
    return response.status_code, response.headers.get("location", "")


@pytest.mark.parametrize(
    ("variables", "peer", "status"),
    [
        (INSIDE, "10.1.2.3", 200),
        (INSIDE, "::ffff:10.1.2.3", 200),
        (INSIDE, "2001:db8:a::1", 200),
        (INSIDE, "203.0.113.9", 307),
        (INSIDE, "2001:db8:b::1", 307),
        (ONLY, "10.1.2.3", 307),
        (ONLY, "203.0.113.9", 200),
        (BOTH, "10.2.2.3", 307),
        (BOTH, "10.1.2.3", 200),
        (BOTH, "203.0.113.9", 200),
        ({}, "203.0.113.9", 307),
        ({}, "no address", 307),
        (INSIDE, "no address", 200),
        (ONLY, "no address", 200),
        ({**INSIDE, "STORAGE_REDIRECT_DISABLE": "true"}, "203.0.113.9", 200),
    ],
)
def test_network_says_who_is_redirected(variables: dict[str, str], peer: str, status: int) -> None:
    assert answer(peer, variables)[0] == status


@pytest.mark.parametrize(
    ("variables", "peer", "forwarded", "status"),
    [
        (INSIDE, "203.0.113.9", "10.1.2.3", 307),
        (ONLY, "203.0.113.9", "10.1.2.3", 200),
        ({**INSIDE, **PROXIED}, "192.0.2.1", "10.1.2.3", 200),
        ({**INSIDE, **PROXIED}, "192.0.2.1", "203.0.113.9", 307),
        ({**INSIDE, **PROXIED}, "203.0.113.1", "10.1.2.3", 307),
        ({**INSIDE, **PROXIED}, "192.0.2.1", "10.1.2.3, 203.0.113.9", 307),
    ],
)
def test_header_is_believed_from_trusted_proxies_alone(
    variables: dict[str, str], peer: str, forwarded: str, status: int
) -> None:
    assert answer(peer, variables, forwarded)[0] == status


@pytest.mark.parametrize(
    ("peer", "forwarded", "named"),
    [
        ("203.0.113.9", "", "203.0.113.9"),
        ("::ffff:203.0.113.9", "", "203.0.113.9"),
        ("192.0.2.1", "203.0.113.9", "203.0.113.9"),
        ("no address", "", "None"),
    ],
)
def test_driver_knows_for_whom_a_link_is(peer: str, forwarded: str, named: str) -> None:
    assert answer(peer, PROXIED, forwarded) == (307, f"https://bucket.test/{named}")


def test_nobody_is_named_beside_a_link() -> None:
    answer("203.0.113.9", {})

    assert link_client() is None


@pytest.mark.parametrize("key", ["STORAGE_REDIRECT_NETWORKS", "HTTP_TRUSTEDPROXIES"])
def test_mistaken_network_is_told_with_its_place(key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        client_at("203.0.113.9", {key: "[10.0.0.1/8]"})

    path = key.lower().replace("_", ".")
    assert str(caught.value) == (
        f"{path}.0: '10.0.0.1/8' is an address in a network; write 10.0.0.0/8 for all of it "
        f"[environment REGISTRY_{key}]"
    )
