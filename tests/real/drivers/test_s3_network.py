"""The S3 driver when the network to its server fails."""

from __future__ import annotations

from collections.abc import Generator
from urllib.parse import urlsplit

import pytest
from tests.real.drivers.s3_buckets import new_bucket, options_for
from tests.services.running import Service, require_service

from entrepot.core.testing.network import NetworkSuite
from entrepot.core.testing.network_calls import OpenThrough
from entrepot.drivers.s3 import S3Options
from entrepot.drivers.s3.client import Patience
from entrepot.drivers.s3.opening import opened
from entrepot.drivers.s3.options import SMALLEST_PART

_HURRY = Patience(attempts=4, answer=2.0, work=3.0, budget=6.0, turn=6.0, silence=2.0, pause=0.01)


class TestS3OnMiniStack(NetworkSuite):
    patience = 60.0

    @pytest.fixture(scope="class")
    @classmethod
    def service(cls) -> Service:
        return require_service("ministack")

    @pytest.fixture(scope="class")
    @classmethod
    def bucket(cls, service: Service) -> Generator[str, None, None]:
        with new_bucket(service) as bucket:
            yield bucket

    @pytest.fixture
    def upstream(self, service: Service) -> tuple[str, int]:
        parts = urlsplit(service["endpoint"])
        assert parts.hostname is not None
        assert parts.port is not None
        return parts.hostname, parts.port

    @pytest.fixture
    def open_through(self, service: Service, bucket: str) -> OpenThrough:
        options = options_for(service, bucket, multipartcopythresholdsize=SMALLEST_PART)

        def at(address: str) -> S3Options:
            return options.model_copy(update={"regionendpoint": f"http://{address}"})

        return lambda address: lambda: opened(at(address), _HURRY)
