"""The driver contract on a real server: Azurite."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
from azure.storage.blob.aio import ContainerClient
from tests.real.drivers.azure_container import new_container, options_for
from tests.services.running import Service, require_service

from entrepot.core.testing import DriverSuite, Opening
from entrepot.drivers.azure import open_azure


@pytest.fixture(scope="module")
def azurite() -> Service:
    return require_service("azurite")


@pytest.fixture
async def container(azurite: Service) -> AsyncGenerator[ContainerClient, None]:
    async with new_container(azurite) as container:
        yield container


class TestAzure(DriverSuite):
    @pytest.fixture
    def open_driver(self, azurite: Service, container: ContainerClient) -> Opening:
        options = options_for(azurite, container.container_name)
        return lambda: open_azure(options)


class TestAzureLegacyNames(DriverSuite):
    """The same under names that begin with a slash, as Distribution 2.x has them."""

    @pytest.fixture
    def open_driver(self, azurite: Service, container: ContainerClient) -> Opening:
        options = options_for(azurite, container.container_name, legacyrootprefix=True)
        return lambda: open_azure(options)
