"""`entrepot-obstore` when the network to an S3 server fails."""

from __future__ import annotations

from collections.abc import Generator
from urllib.parse import urlsplit

import pytest
from tests.real.drivers.obstore_stores import s3_bucket, s3_options
from tests.services.running import Service, require_service

from entrepot.core.testing.network import NetworkSuite
from entrepot.core.testing.network_calls import OpenThrough
from entrepot_obstore import ObstoreOptions, open_obstore
from entrepot_obstore.options import Settings


class TestMiniStack(NetworkSuite):
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
        parts = urlsplit(service["endpoint"])
        assert parts.hostname is not None
        assert parts.port is not None
        return parts.hostname, parts.port

    @pytest.fixture
    def open_through(self, service: Service, bucket: str) -> OpenThrough:
        options = s3_options(service, bucket, timeout=3.0, retries=3)

        def at(address: str) -> ObstoreOptions:
            config: Settings = options.config | {"endpoint": f"http://{address}"}
            return options.model_copy(update={"config": config})

        return lambda address: lambda: open_obstore(at(address))
