"""The conformance suite on `entrepot-oss`, over an imitation of OSS that is a process of its own.

It shows that the driver speaks OSS's dialect as its reference describes it, not that Alibaba
accepts it.
"""

from __future__ import annotations

from collections.abc import Generator
from functools import partial

import pytest
from tests.real.drivers.oss_buckets import oss_bucket, oss_options
from tests.services.running import require_service

from entrepot.core.testing import DriverSuite, Opening
from entrepot_oss import open_oss


@pytest.mark.wide  # its own tests run the suite on the same imitation in one process
class TestOss(DriverSuite):
    @pytest.fixture(scope="class")
    @classmethod
    def bucket(cls) -> Generator[str, None, None]:
        with oss_bucket(require_service("oss")) as bucket:
            yield bucket

    @pytest.fixture
    def open_driver(self, bucket: str) -> Opening:
        return partial(open_oss, oss_options(require_service("oss"), bucket))
