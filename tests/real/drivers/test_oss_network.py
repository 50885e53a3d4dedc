"""`entrepot-oss` when the network to the imitation of OSS fails."""

from __future__ import annotations

from collections.abc import Generator
from functools import partial

import pytest
from tests.real.drivers.oss_buckets import oss_bucket, oss_options
from tests.services.running import Service, address_of, require_service

from entrepot.core.testing.network import NetworkSuite
from entrepot.core.testing.network_calls import OpenThrough
from entrepot_oss import open_oss


@pytest.mark.wide  # as its suite is, for the same reason
class TestOss(NetworkSuite):
    patience = 90.0

    @pytest.fixture(scope="class")
    @classmethod
    def service(cls) -> Service:
        return require_service("oss")

    @pytest.fixture(scope="class")
    @classmethod
    def bucket(cls, service: Service) -> Generator[str, None, None]:
        with oss_bucket(service) as bucket:
            yield bucket

    @pytest.fixture
    def upstream(self, service: Service) -> tuple[str, int]:
        return address_of(service["endpoint"])

    @pytest.fixture
    def open_through(self, service: Service, bucket: str) -> OpenThrough:
        options = oss_options(service, bucket, timeout=2.0, retries=3)

        return lambda address: partial(
            open_oss, options.model_copy(update={"endpoint": f"http://{address}"})
        )
