"""The S3 driver over every S3 server there is."""

from __future__ import annotations

import uuid
from collections.abc import Generator
from functools import partial
from typing import ClassVar

import pytest
from tests.real.drivers.s3_buckets import end_multipart_uploads, new_bucket, options_for
from tests.services.running import Service, require_service

from entrepot.core.testing import DriverSuite
from entrepot.core.testing.suite import Opening
from entrepot.drivers.s3 import open_s3


class S3Suite(DriverSuite):
    """What all of them share; a subclass names the server."""

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
    def open_driver(
        self, service: Service, bucket: str, request: pytest.FixtureRequest
    ) -> Generator[Opening, None, None]:
        """In a folder of its own, for SeaweedFS remembers for a while what a folder was."""
        root = f"/tests/{uuid.uuid4().hex}/"
        options = options_for(service, bucket, rootdirectory=root, maxconnections=8)
        yield partial(open_s3, options)
        left = end_multipart_uploads(service, bucket)
        # what a killed process began is for the bucket's life-cycle rule
        assert left == [] or "process" in request.node.name


class TestS3OnSeaweedFS(S3Suite):
    server = "seaweedfs"


@pytest.mark.wide
class TestS3OnMiniStack(S3Suite):
    server = "ministack"


@pytest.mark.wide
class TestS3OnMoto(S3Suite):
    server = "moto"


@pytest.mark.wide
class TestS3OnRGW(S3Suite):
    server = "rgw"
