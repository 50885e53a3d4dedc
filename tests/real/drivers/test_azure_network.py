"""The azure driver when the network to its server, Azurite, fails."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager
from urllib.parse import urlsplit

import pytest
from azure.storage.blob.aio import ContainerClient
from tests.real.drivers.azure_container import new_container, options_for
from tests.services.running import Service, address_of, require_service

from entrepot.core import Driver
from entrepot.core.testing.material import keys, put_all, within
from entrepot.core.testing.network import NetworkSuite
from entrepot.core.testing.network_calls import OpenThrough
from entrepot.core.testing.proxy import Action, Failure, FaultProxy
from entrepot.drivers.azure.opening import opened
from entrepot.drivers.azure.patience import Patience

HURRY = Patience(total=5, connect=2, answer=3, silence=3, copying=3, opening=3)


class TestAzureOnAzurite(NetworkSuite):
    patience = 30.0

    @pytest.fixture(scope="class")
    @classmethod
    def azurite(cls) -> Service:
        return require_service("azurite")

    @pytest.fixture
    async def container(self, azurite: Service) -> AsyncGenerator[ContainerClient, None]:
        async with new_container(azurite) as container:
            yield container

    @pytest.fixture
    def upstream(self, azurite: Service) -> tuple[str, int]:
        return address_of(azurite["serviceurl"])

    @pytest.fixture
    def open_through(self, azurite: Service, container: ContainerClient) -> OpenThrough:
        path = urlsplit(azurite["serviceurl"]).path

        def at(address: str) -> AbstractAsyncContextManager[Driver]:
            url = f"http://{address}{path}"
            name = container.container_name
            options = options_for(azurite, name, serviceurl=url, max_retries=3, retry_delay="1ms")
            return opened(options, HURRY)

        return lambda address: lambda: at(address)

    @pytest.mark.parametrize("action", ["answer", "cut request", "drop answer", "stall"])
    async def test_batch_that_fails_leaves_nothing(
        self, driver: Driver, direct: Driver, proxy: FaultProxy, action: Action
    ) -> None:
        """What cannot be deleted with one request is deleted with one for each key."""
        names = [f"a/{number}" for number in range(6)]
        await put_all(direct, names)
        proxy.failures = [Failure(action, "POST", after=100)]

        async with within(self.patience, "a batch that failed does not end"):
            await driver.delete([*names, "a/none"])

        assert "POST" in {request.method for request in proxy.requests}
        assert await keys(direct) == []
