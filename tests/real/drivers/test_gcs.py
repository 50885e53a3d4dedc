"""The gcs driver on fake-gcs-server."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from functools import partial
from typing import ClassVar

import pytest
from tests.real.drivers.gcs_bucket import new_bucket
from tests.services.running import require_service

from entrepot.core.testing import DriverSuite, Opening
from entrepot.drivers.gcs import GcsOptions, open_gcs


@pytest.fixture(scope="module")
def options() -> Generator[GcsOptions, None, None]:
    endpoint = require_service("fake-gcs-server")["endpoint"]
    with new_bucket(endpoint) as bucket:
        yield GcsOptions(
            bucket=bucket, endpoint=endpoint, anonymous=True, rootdirectory="some/root"
        )


class TestGcsOnFakeGcsServer(DriverSuite):
    deviations: ClassVar[Mapping[str, str]] = {
        "test_create_existing": "fake-gcs-server ignores ifGenerationMatch on resumable uploads",
    }

    @pytest.fixture
    def open_driver(self, options: GcsOptions) -> Opening:
        return partial(open_gcs, options)
