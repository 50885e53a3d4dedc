"""Uploads of appends that make no whole parts, where servers differ in what they complete.

Ceph's gateway wants all parts that it was ever sent, so a short last one must not stay behind
when the upload goes on.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence

import pytest
from tests.real.drivers.s3_buckets import SERVERS, end_multipart_uploads, new_bucket, options_for
from tests.services.running import Service, require_service

from entrepot.core.testing.material import MIB, Broken, breaking, content, ends, get, keys, pieces
from entrepot.drivers.s3 import S3Options, open_s3

pytestmark = pytest.mark.anyio
_SIZES = [
    [11 * MIB, 300_000, 17],
    [6 * MIB, 300_000, 5 * MIB, 17],
    [5 * MIB, 5 * MIB, 1, 12 * MIB + 1],
]


@pytest.fixture(scope="module", params=SERVERS)
def service(request: pytest.FixtureRequest) -> Service:
    return require_service(request.param)


@pytest.fixture(scope="module")
def bucket(service: Service) -> Generator[str, None, None]:
    with new_bucket(service) as bucket:
        yield bucket


@pytest.fixture
def options(service: Service, bucket: str) -> Generator[S3Options, None, None]:
    yield options_for(service, bucket)
    assert end_multipart_uploads(service, bucket) == []


@pytest.mark.parametrize("sizes", _SIZES, ids=str)
async def test_appends_of_any_size_are_completed(options: S3Options, sizes: Sequence[int]) -> None:
    """By one process that remembers the upload, and by several of which none does."""
    data = content(sum(sizes))
    async with open_s3(options) as driver:
        for key in ("one", "several"):
            upload, at = driver.upload(f"u/{key}"), 0
            for size in sizes:
                if key == "several":
                    upload = driver.upload(f"u/{key}")
                at = await upload.append(pieces(data[at : at + size]), at)
            await upload.commit(key, at)

            assert ends(await get(driver, key)) == ends(data)
        assert await keys(driver) == ["one", "several"]
        await driver.delete(["one", "several"])


@pytest.mark.parametrize("sizes", _SIZES, ids=str)
async def test_appends_that_broke_are_completed(options: S3Options, sizes: Sequence[int]) -> None:
    """Each one breaks off first, behind some parts, and goes on where it came to."""
    data = content(sum(sizes))
    async with open_s3(options) as driver:
        end = 0
        for size in sizes:
            end += size
            at = await driver.upload("u").size()
            with pytest.raises(Broken):
                await driver.upload("u").append(breaking(data[at : end - 5], Broken()), at)
            at = await driver.upload("u").size()
            assert await driver.upload("u").append(pieces(data[at:end]), at) == end
        await driver.upload("u").commit("a", end)

        assert ends(await get(driver, "a")) == ends(data)
        assert await keys(driver) == ["a"]
        await driver.delete(["a"])
