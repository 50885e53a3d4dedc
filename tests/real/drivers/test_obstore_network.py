"""`entrepot-obstore` when the network to a server of S3 or of Azure's protocol fails."""

from __future__ import annotations

from collections.abc import Generator
from urllib.parse import urlsplit

import pytest
from tests.real.drivers.obstore_stores import (
    azure_container,
    azure_options,
    s3_bucket,
    s3_options,
)
from tests.services.running import Service, address_of, require_service

from entrepot.core.driver import Driver
from entrepot.core.testing import Failure, FaultProxy
from entrepot.core.testing.material import keys, put_all
from entrepot.core.testing.network import NetworkSuite
from entrepot.core.testing.network_calls import OpenThrough
from entrepot_obstore import ObstoreOptions, open_obstore
from entrepot_obstore.options import Settings


def _through(options: ObstoreOptions, path: str = "") -> OpenThrough:
    def at(address: str) -> ObstoreOptions:
        config: Settings = options.config | {"endpoint": f"http://{address}{path}"}
        return options.model_copy(update={"config": config})

    return lambda address: lambda: open_obstore(at(address))


class TestObstoreOnMiniStack(NetworkSuite):
    patience = 60.0

    @pytest.fixture(scope="class")
    @classmethod
    def service(cls) -> Service:
        return require_service("ministack")

    @pytest.fixture(scope="class")
    @classmethod
    def bucket(cls, service: Service) -> Generator[str, None, None]:
        with s3_bucket(service) as bucket:
            yield bucket

    @pytest.fixture
    def upstream(self, service: Service) -> tuple[str, int]:
        return address_of(service["endpoint"])

    @pytest.fixture
    def open_through(self, service: Service, bucket: str) -> OpenThrough:
        return _through(s3_options(service, bucket, timeout=3.0, retries=3))


@pytest.mark.wide  # the client is covered on MiniStack, the server by the azure driver
class TestObstoreOnAzurite(NetworkSuite):
    patience = 60.0

    @pytest.fixture(scope="class")
    @classmethod
    def service(cls) -> Service:
        return require_service("azurite")

    @pytest.fixture(scope="class")
    @classmethod
    def container(cls, service: Service) -> Generator[str, None, None]:
        with azure_container(service) as container:
            yield container

    @pytest.fixture
    def upstream(self, service: Service) -> tuple[str, int]:
        return address_of(service["serviceurl"])

    @pytest.fixture
    def open_through(self, service: Service, container: str) -> OpenThrough:
        options = azure_options(service, container, timeout=2.0, retries=3)
        return _through(options, urlsplit(service["serviceurl"]).path)

    async def test_deletion_whose_answers_are_lost_is_tried_again(
        self, driver: Driver, direct: Driver, proxy: FaultProxy
    ) -> None:
        """In bulk and key by key, which is the same request on Azure; obstore gives it up."""
        await put_all(direct, ["a/1", "a/2", "b"])
        proxy.failures = [Failure("drop answer", target="comp=batch", times=3)]

        await driver.delete(["a/1", "a/2"])

        assert await keys(direct) == ["b"]
        assert len([each for each in proxy.requests if "comp=batch" in each.target]) > 3
