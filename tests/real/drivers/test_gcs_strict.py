"""The conformance suite on a strict imitation of Google's API."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from functools import partial

import pytest
from tests.drivers.gcs_fake import Fake
from tests.drivers.gcs_keys import key_content, private_key

from entrepot.core import Driver
from entrepot.core.testing import DriverSuite, Opening
from entrepot.drivers.gcs import GcsOptions, open_gcs
from entrepot.drivers.gcs.opening import opened
from entrepot.drivers.gcs.patience import Patience


@pytest.fixture
def fake(request: pytest.FixtureRequest) -> Generator[Fake, None, None]:
    with Fake().running() as fake:
        yield fake
        if "killed" not in request.node.name:  # what a killed process leaves ends in a week
            assert fake.store.open_sessions == []


@pytest.fixture
def credentials(fake: Fake) -> dict[str, str]:
    """A service account's key, so that links are signed and the fake checks them."""
    fake.needs_token = True
    fake.public_key = private_key().public_key()
    return key_content(f"{fake.url}/token")


@pytest.mark.wide
class TestGcsOnTheImitation(DriverSuite):
    @pytest.fixture
    def open_driver(self, fake: Fake, credentials: dict[str, str]) -> Opening:
        options = GcsOptions(bucket="bucket", endpoint=fake.url, credentials=credentials)
        return partial(open_gcs, options)


class TestGcsInBatches(DriverSuite):
    """As at Google, with the smallest chunks."""

    @pytest.fixture
    def open_driver(self, fake: Fake, credentials: dict[str, str]) -> Opening:
        fake.store.rewrite_step = 1024 * 1024
        options = GcsOptions(
            bucket="bucket",
            endpoint=fake.url,
            credentials=credentials,
            rootdirectory="/some/root",
            chunksize=512 * 1024,
        )
        return partial(open_in_batches, options)


@asynccontextmanager
async def open_in_batches(options: GcsOptions) -> AsyncGenerator[Driver, None]:
    async with opened(options, Patience(), batches=True) as driver:
        yield driver
