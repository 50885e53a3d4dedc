"""`entrepot-swift` when the network to Swift's proxy fails."""

from __future__ import annotations

from collections.abc import Generator
from functools import partial

import pytest
from tests.real.drivers.swift_containers import swift_container, swift_options
from tests.services.running import Service, address_of, require_service

from entrepot.core.testing import Opening
from entrepot.core.testing.network import NetworkSuite
from entrepot.core.testing.network_calls import OpenThrough
from entrepot_swift import open_swift


@pytest.mark.wide  # as its suite is, for the same reason
class TestSwift(NetworkSuite):
    """Swift gives the address of its storage as the client called it: all goes through."""

    patience = 90.0

    @pytest.fixture(scope="class")
    @classmethod
    def service(cls) -> Service:
        return require_service("swift")

    @pytest.fixture(scope="class")
    @classmethod
    def container(cls, service: Service) -> Generator[str, None, None]:
        with swift_container(service) as container:
            yield container

    @pytest.fixture
    def upstream(self, service: Service) -> tuple[str, int]:
        return address_of(service["endpoint"])

    @pytest.fixture
    def open_through(self, service: Service, container: str) -> OpenThrough:
        options = swift_options(service, container, timeout=2.0, retries=3)

        def through(address: str) -> Opening:
            changes = {"authurl": f"http://{address}/auth/v1.0"}
            return partial(open_swift, options.model_copy(update=changes))

        return through
