"""The gcs driver on fake-gcs-server."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Mapping
from functools import partial
from typing import ClassVar

import pytest
from tests.real.drivers.gcs_bucket import new_bucket
from tests.services.running import require_service

from entrepot.core import AccessError, Driver
from entrepot.core.testing import DriverSuite, Opening
from entrepot.core.testing.material import content, get, keys, pieces, put
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


@pytest.fixture
async def driver(options: GcsOptions) -> AsyncGenerator[Driver, None]:
    async with open_gcs(options) as driver:
        yield driver


@pytest.mark.anyio
async def test_content_like_a_boundary_is_not_cut(driver: Driver) -> None:
    """gcsfs sends small objects between fixed boundaries, and loses what follows one."""
    data = b"before\r\n--==0==\r\nbetween\r\n--==0==--\r\nafter"

    await put(driver, "a", data)
    await driver.upload("u/1").append(pieces(data), 0)
    await driver.upload("u/1").commit("b", len(data))

    assert await get(driver, "a") == data
    assert await get(driver, "b") == data
    await driver.delete(["a", "b"])


@pytest.mark.anyio
async def test_appends_that_are_joined_again_and_again(driver: Driver) -> None:
    data = content(70 * 1000)
    upload = driver.upload("u/1")

    for at in range(0, len(data), 1000):
        await upload.append(pieces(data[at : at + 1000]), at)
    await upload.commit("b", len(data))

    assert await get(driver, "b") == data
    assert await keys(driver) == ["b"]
    await driver.delete(["b"])


@pytest.mark.anyio
async def test_missing_bucket_stops_the_start(options: GcsOptions) -> None:
    missing = options.model_copy(update={"bucket": f"{options.bucket}-missing"})

    with pytest.raises(AccessError, match=r"-missing at .* does not exist: create it"):
        async with open_gcs(missing):
            raise AssertionError
