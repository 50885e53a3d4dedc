"""Uploads to S3 that fail at any stage, against a strict fake."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
from tests.drivers.s3_fake import S3Fake
from tests.drivers.s3_opened import PART, QUICK, opened

from entrepot.core import (
    Driver,
    OffsetError,
    UnavailableError,
)
from entrepot.core.testing.material import content, get, keys, pieces

pytestmark = pytest.mark.anyio

MIB = 1024 * 1024
TOKEN = "u/1"
HOW = ["cut", "lost", (500, "InternalError"), (503, "SlowDown")]


@pytest.fixture
async def fake() -> AsyncGenerator[S3Fake, None]:
    async with S3Fake().running() as fake:
        yield fake


@pytest.fixture
async def driver(fake: S3Fake) -> AsyncGenerator[Driver, None]:
    async with opened(fake) as driver:
        fake.counts.clear()
        yield driver


STAGES = ["put", "begin", "part", "list", "get", "complete", "copy", "delete_many", "delete"]


@pytest.mark.parametrize("operation", STAGES)
@pytest.mark.parametrize("how", HOW)
async def test_upload_survives_one_failure(
    fake: S3Fake, driver: Driver, operation: str, how: str | tuple[int, str]
) -> None:
    data = content(2 * PART + 9)
    fake.fail(operation, how)

    await driver.upload(TOKEN).append(pieces(data[:1000]), 0)
    await driver.upload(TOKEN).append(pieces(data[1000:]), 1000)
    await driver.upload(TOKEN).commit("b", len(data))

    assert await get(driver, "b") == data
    assert await keys(driver) == ["b"]
    assert fake.uploads == {}


@pytest.mark.parametrize("operation", STAGES)
@pytest.mark.parametrize("skip", [0, 1, 2])
async def test_upload_goes_on_after_a_failure_at_any_stage(
    fake: S3Fake, driver: Driver, operation: str, skip: int
) -> None:
    """A crash, too: whoever comes next knows the token alone."""
    data = content(2 * PART + 9)
    fake.fail(operation, (500, "InternalError"), times=QUICK.attempts, skip=skip)

    for _ in range(4):
        try:
            size = await driver.upload(TOKEN).size()
            if size < len(data):
                await driver.upload(TOKEN).append(pieces(data[size:]), size)
            await driver.upload(TOKEN).commit("b", len(data))
            break
        except UnavailableError:
            continue
    else:
        pytest.fail("did not get through")

    fake.heal()
    assert await get(driver, "b") == data
    assert await keys(driver) == ["b"]
    assert fake.uploads == {}


@pytest.mark.parametrize("operation", STAGES)
async def test_upload_is_aborted_after_a_failure_at_any_stage(
    fake: S3Fake, driver: Driver, operation: str
) -> None:
    data = content(2 * PART + 9)
    fake.fail(operation, (500, "InternalError"), times=QUICK.attempts)
    upload = driver.upload(TOKEN)
    try:
        await upload.append(pieces(data), 0)
        await upload.commit("b", len(data))
    except UnavailableError:
        pass

    for _ in range(2):
        try:
            await driver.upload(TOKEN).abort()
        except UnavailableError:
            continue

    assert await keys(driver, "u/") == []
    assert fake.uploads == {}


@pytest.mark.parametrize("skip", range(6))
async def test_upload_goes_on_where_no_part_may_be_left_over(fake: S3Fake, skip: int) -> None:
    """As on RGW; what a short last part and a broken append left is overwritten."""
    data = content(7 * PART + 9)
    fake.exact = True
    fake.fail("part", (500, "InternalError"), times=QUICK.attempts, skip=skip)
    async with opened(fake) as driver:
        driver.verbs.client.exact = True
        for end in (1000, PART + 1000, 3 * PART, 3 * PART + 5, len(data)):
            size = await driver.upload(TOKEN).size()
            try:
                await driver.upload(TOKEN).append(pieces(data[size:end], 1000), size)
            except UnavailableError:
                size = await driver.upload(TOKEN).size()
                await driver.upload(TOKEN).append(pieces(data[size:end], 1000), size)
        await driver.upload(TOKEN).commit("b", len(data))

        assert await get(driver, "b") == data


async def test_commit_again_after_its_answer_was_lost(fake: S3Fake, driver: Driver) -> None:
    """Everything was done but the last record's removal."""
    data = content(2 * PART + 9)
    await driver.upload(TOKEN).append(pieces(data), 0)
    fake.fail("delete", (500, "InternalError"), times=QUICK.attempts)
    with pytest.raises(UnavailableError):
        await driver.upload(TOKEN).commit("b", len(data))

    entry = await driver.upload(TOKEN).commit("b", len(data))

    assert entry.size == len(data)
    assert await keys(driver) == ["b"]


async def test_commit_after_an_abort_finds_nothing(driver: Driver) -> None:
    data = content(2 * PART + 9)
    late = driver.upload(TOKEN)
    await late.append(pieces(data), 0)
    await driver.upload(TOKEN).abort()

    with pytest.raises(OffsetError):
        await driver.upload(TOKEN).commit("b", len(data))

    assert await keys(driver) == []


async def test_append_while_the_listing_is_behind(fake: S3Fake, driver: Driver) -> None:
    await driver.upload(TOKEN).append(pieces(b"one"), 0)
    fake.fall_behind()
    await driver.upload(TOKEN).append(pieces(b"two"), 3)

    with pytest.raises(OffsetError):
        await driver.upload(TOKEN).append(pieces(b"xxx"), 3)

    assert await driver.upload(TOKEN).size() == 6
    await driver.upload(TOKEN).commit("b", 6)
    assert await get(driver, "b") == b"onetwo"


async def test_many_small_appends_are_not_quadratic(fake: S3Fake, driver: Driver) -> None:
    data = content(32 * 300)
    upload = driver.upload(TOKEN)
    for at in range(0, len(data), 32):
        await upload.append(pieces(data[at : at + 32]), at)

    stored = sum(len(o.data) for o in fake.objects.values())
    assert fake.counts["put"] == 300
    assert fake.counts["get"] <= 301
    assert stored < 300 * 600
    await upload.commit("b", len(data))
    assert await get(driver, "b") == data


async def test_a_typical_push_takes_few_requests(fake: S3Fake, driver: Driver) -> None:
    small, large = content(PART - 9), content(4 * PART + 9)
    for token, data in (("u/1", small), ("u/2", large)):
        upload = driver.upload(token)
        assert await upload.size() == 0
        await upload.append(pieces(data), 0)
        upload = driver.upload(token)
        assert await upload.size() == len(data)
        await upload.commit(f"b/{token}", len(data))
        counts, fake.counts = dict(fake.counts), type(fake.counts)()
        if data is small:
            assert counts == {"list": 2, "put": 3, "get": 4, "delete": 2}
        else:
            records = {"list": 2, "put": 3, "get": 3, "delete": 1, "delete_many": 1}
            assert counts == records | {"begin": 1, "part": 5, "complete": 1, "copy": 1}
