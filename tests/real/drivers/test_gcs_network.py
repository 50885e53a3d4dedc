"""The gcs driver when the network to its server fails, on fake-gcs-server and on the imitation."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import ClassVar

import pytest
from tests.drivers.gcs_fake import Fake
from tests.drivers.gcs_opened import HURRY
from tests.real.drivers.gcs_bucket import new_bucket
from tests.services.running import address_of, require_service

from entrepot.core import Driver
from entrepot.core.testing.network import NetworkSuite
from entrepot.core.testing.network_calls import OpenThrough
from entrepot.drivers.gcs import GcsOptions
from entrepot.drivers.gcs.opening import opened


def _through(bucket: str) -> OpenThrough:
    def at(address: str) -> AbstractAsyncContextManager[Driver]:
        options = GcsOptions(bucket=bucket, endpoint=f"http://{address}", anonymous=True)
        return opened(options, HURRY)

    return lambda address: lambda: at(address)


@pytest.mark.wide
class TestGcsOnFakeGcsServer(NetworkSuite):
    patience = 60.0
    deviations: ClassVar[Mapping[str, str]] = {
        "test_write_interrupted_at_each_request_is_whole_or_not_there": (
            "fake-gcs-server ends an upload when it is asked how much of it has arrived"
        ),
    }

    @pytest.fixture
    def endpoint(self) -> str:
        return require_service("fake-gcs-server")["endpoint"]

    @pytest.fixture
    def bucket(self, endpoint: str) -> Generator[str, None, None]:
        with new_bucket(endpoint) as bucket:
            yield bucket

    @pytest.fixture
    def upstream(self, endpoint: str) -> tuple[str, int]:
        return address_of(endpoint)

    @pytest.fixture
    def open_through(self, bucket: str) -> OpenThrough:
        return _through(bucket)


class TestGcsOnTheImitation(NetworkSuite):
    patience = 60.0

    @pytest.fixture
    def endpoint(self) -> Generator[str, None, None]:
        with Fake().running() as fake:
            yield fake.url

    @pytest.fixture
    def upstream(self, endpoint: str) -> tuple[str, int]:
        return address_of(endpoint)

    @pytest.fixture
    def open_through(self) -> OpenThrough:
        return _through("bucket")
