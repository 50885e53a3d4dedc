"""The S3 driver when the network to its server fails, on servers that differ in uploads."""

from __future__ import annotations

import uuid
from collections.abc import Generator
from typing import ClassVar

import pytest
from tests.real.drivers.s3_buckets import new_bucket, options_for
from tests.services.running import Service, address_of, require_service

from entrepot.core.testing.network import NetworkSuite
from entrepot.core.testing.network_calls import OpenThrough
from entrepot.drivers.s3 import S3Options
from entrepot.drivers.s3.client import Patience
from entrepot.drivers.s3.opening import opened
from entrepot.drivers.s3.options import SMALLEST_PART

_HURRY = Patience(attempts=4, answer=2.0, work=3.0, budget=6.0, turn=6.0, silence=2.0, pause=0.01)


class S3NetworkSuite(NetworkSuite):
    """What all of them share; a subclass names the server."""

    patience = 60.0
    server: ClassVar[str]

    @pytest.fixture(scope="class")
    @classmethod
    def service(cls) -> Service:
        return require_service(cls.server)

    @pytest.fixture(scope="class")
    @classmethod
    def bucket(cls, service: Service) -> Generator[str, None, None]:
        with new_bucket(service) as bucket:
            yield bucket

    @pytest.fixture
    def upstream(self, service: Service) -> tuple[str, int]:
        return address_of(service["endpoint"])

    @pytest.fixture
    def open_through(self, service: Service, bucket: str) -> OpenThrough:
        """In a folder of its own, for SeaweedFS remembers for a while what a folder was."""
        root = f"tests/{uuid.uuid4().hex}"
        options = options_for(
            service, bucket, rootdirectory=root, multipartcopythresholdsize=SMALLEST_PART
        )

        def at(address: str) -> S3Options:
            return options.model_copy(update={"regionendpoint": f"http://{address}"})

        return lambda address: lambda: opened(at(address), _HURRY)


@pytest.mark.wide
class TestS3OnMiniStack(S3NetworkSuite):
    server = "ministack"


class TestS3OnSeaweedFS(S3NetworkSuite):
    server = "seaweedfs"
