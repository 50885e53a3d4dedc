"""The S3 driver when answers are lost, cut, late or refused, against a strict fake."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest
from tests.drivers.s3_fake import BUCKET, S3Fake
from tests.drivers.s3_opened import PART, QUICK, opened

from entrepot.core import (
    AccessError,
    Driver,
    ExistsError,
    NotFoundError,
    StorageError,
    UnavailableError,
)
from entrepot.core.testing.material import chunks_of, content, find, get, keys, pieces, put
from entrepot.drivers.s3 import open_s3

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


# -- creating ---------------------------------------------------------------------------


async def test_create_whose_answer_was_lost_is_ours(fake: S3Fake, driver: Driver) -> None:
    fake.fail("put", "lost")

    entry = await driver.write("a", pieces(b"content"), create=True)

    assert entry.size == 7
    assert fake.counts["put"] == 2
    assert await get(driver, "a") == b"content"


async def test_create_that_lost_to_another_is_told(fake: S3Fake, driver: Driver) -> None:
    """The same content even: the other one holds the claim."""
    fake.fail("put", "cut")
    fake.objects["a"] = fake.store("a", b"content", {})

    with pytest.raises(ExistsError):
        await driver.write("a", pieces(b"content"), create=True)


async def test_create_in_parts_whose_answer_was_lost_is_ours(fake: S3Fake) -> None:
    async with opened(fake) as driver:
        driver.verbs.conditional_complete = True
        fake.fail("complete", "lost")

        await driver.write("a", pieces(content(PART + 7)), create=True)
        with pytest.raises(ExistsError):
            await driver.write("a", pieces(content(PART + 7)), create=True)

    assert fake.uploads == {}


async def test_create_of_a_large_stream_is_one_request_elsewhere(
    fake: S3Fake, driver: Driver
) -> None:
    await driver.write("a", pieces(content(2 * PART + 7)), create=True)
    with pytest.raises(ExistsError):
        await driver.write("a", pieces(content(2 * PART + 7)), create=True)

    assert (fake.counts["put"], fake.counts["begin"]) == (2, 0)
    assert await get(driver, "a") == content(2 * PART + 7)


# -- writing ----------------------------------------------------------------------------


@pytest.mark.parametrize("operation", ["begin", "part", "complete"])
@pytest.mark.parametrize("how", HOW)
async def test_write_survives_one_failure(
    fake: S3Fake, driver: Driver, operation: str, how: str | tuple[int, str]
) -> None:
    fake.fail(operation, how)

    await driver.write("a", pieces(content(2 * PART + 7)))

    assert await get(driver, "a") == content(2 * PART + 7)


@pytest.mark.parametrize("operation", ["begin", "part", "complete"])
async def test_write_that_fails_leaves_nothing(
    fake: S3Fake, driver: Driver, operation: str
) -> None:
    await put(driver, "a", b"old")
    fake.fail(operation, (500, "InternalError"), times=100)

    with pytest.raises(UnavailableError):
        await driver.write("a", pieces(content(2 * PART + 7)))

    assert await get(driver, "a") == b"old"
    assert fake.uploads == {}


async def test_slow_down_without_end_is_unavailable(fake: S3Fake, driver: Driver) -> None:
    fake.fail("*", (503, "SlowDown"), times=1000)

    with pytest.raises(UnavailableError) as raised:
        await put(driver, "a")

    assert raised.value.retry_after >= 1
    assert fake.counts["put"] == QUICK.attempts


async def test_a_stuck_server_ends_in_a_timeout(fake: S3Fake) -> None:
    async with opened(fake) as driver:
        driver.verbs.client.patience = replace(QUICK, attempts=2, answer=0.05, budget=0.1)
        fake.fail("*", "stuck", times=10)

        for operation in (driver.stat("a"), put(driver, "a"), get(driver, "a")):
            with pytest.raises(UnavailableError, match="no answer in time"):
                await operation


async def test_silence_ends_in_the_time_of_the_options(fake: S3Fake) -> None:
    async with asyncio.timeout(15), open_s3(fake.options(timeout="200ms")) as driver:
        fake.fail("head", "stuck", times=10)

        with pytest.raises(UnavailableError, match="no answer in time"):
            await driver.stat("a")
    assert fake.counts["head"] <= 3  # of five, for twice that time is over


# -- reading ----------------------------------------------------------------------------


async def test_read_goes_on_where_the_connection_broke(fake: S3Fake, driver: Driver) -> None:
    await put(driver, "a", content(4 * MIB))
    fake.fail("get", "half", times=3)

    assert await get(driver, "a", 5, 4 * MIB - 5) == content(4 * MIB)[5:-5]
    assert fake.counts["get"] == 4


async def test_read_of_an_object_replaced_while_the_connection_was_broken(
    fake: S3Fake, driver: Driver
) -> None:
    await put(driver, "a", content(4 * MIB))
    fake.fail("get", "half")

    async with aclosing(driver.read("a")) as chunks:
        await anext(chunks)
        fake.store("a", content(4 * MIB, seed=1), {})
        with pytest.raises(UnavailableError, match="replaced"):
            async for _ in chunks:
                pass


async def test_read_is_never_short(fake: S3Fake, driver: Driver) -> None:
    await put(driver, "a", content(MIB))
    fake.fail("get", "half", times=1)
    fake.fail("get", "cut", times=100)

    with pytest.raises(UnavailableError):
        await get(driver, "a")


async def test_reads_closed_early_give_their_connections_back(fake: S3Fake) -> None:
    async with opened(fake, maxconnections=4) as driver:
        await put(driver, "a", content(3 * MIB))
        for _ in range(300):
            async with aclosing(driver.read("a")) as chunks:
                await anext(chunks)

        async with asyncio.timeout(5):
            assert await get(driver, "a") == content(3 * MIB)
            connector: Any = driver.verbs.client.session.connector
            assert len(connector._acquired) == 0


# -- refusals ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (403, "RequestTimeTooSkewed", "clock"),
        (400, "ExpiredToken", "token has expired"),
        (403, "InvalidAccessKeyId", "does not know the access key"),
        (403, "SignatureDoesNotMatch", "secretkey"),
        (403, "AccessDenied", "do not permit"),
        (404, "NoSuchBucket", "the bucket does not exist"),
        (301, "PermanentRedirect", "another region"),
    ],
)
async def test_refusals_say_what_to_do(
    fake: S3Fake, driver: Driver, status: int, code: str, said: str
) -> None:
    fake.fail("get", (status, code))
    fake.fail("list", (status, code))

    with pytest.raises(AccessError, match=said):
        await get(driver, "a")
    with pytest.raises(AccessError, match=said) as raised:
        async with open_s3(fake.options()):
            pass
    assert BUCKET in str(raised.value)
    assert "very-secret" not in str(raised.value)


async def test_absence_is_only_what_the_server_says(fake: S3Fake, driver: Driver) -> None:
    with pytest.raises(NotFoundError):
        await driver.stat("a")
    for how in ((403, "AccessDenied"), (500, "InternalError"), "cut"):
        fake.fail("head", how, times=QUICK.attempts)
        with pytest.raises(StorageError) as raised:
            await driver.stat("a")
        assert not isinstance(raised.value, NotFoundError)
        fake.heal()
    fake.fail("get", (404, "Nothing"))
    with pytest.raises(UnavailableError):
        await find(driver, "a")


async def test_an_endpoint_without_a_server_is_named(fake: S3Fake) -> None:
    options = fake.options(regionendpoint="http://127.0.0.1:1")

    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:1.*cannot connect"):
        async with open_s3(options):
            pass


async def test_folders_of_a_server_that_lists_by_folder_are_sorted(
    fake: S3Fake, driver: Driver
) -> None:
    names = ["a-b/x", "a.c/x", "a/b", "a/c", "a", "ab", "b-c", "b/a-b/x", "b/a/x", "b/a.b/x"]
    for name in names:
        fake.store(name, b"x", {})
    fake.unordered = True

    with pytest.raises(UnavailableError, match="out of order"):
        await keys(driver)

    assert await keys(driver) == sorted(names)
    assert await keys(driver, after="a.c/x") == [n for n in sorted(names) if n > "a.c/x"]


async def test_encryption_class_and_acl_stand_in_every_kind_of_write(fake: S3Fake) -> None:
    given = {"encrypt": True, "keyid": "k", "storageclass": "GLACIER_IR"}
    given |= {"objectacl": "bucket-owner-read", "multipartcopythresholdsize": PART}
    async with opened(fake, **given) as driver:
        await put(driver, "small")
        await driver.write("large", pieces(content(PART + 7)))
        await driver.copy("small", "small-copy")
        await driver.copy("large", "large-copy")
        await driver.upload(TOKEN).append(chunks_of([content(PART + 7)]), 0)
        await driver.upload(TOKEN).commit("upload", PART + 7)

    for key, stored in fake.objects.items():
        assert stored.headers["x-amz-server-side-encryption"] == "aws:kms", key
        assert stored.headers["x-amz-server-side-encryption-aws-kms-key-id"] == "k", key
        assert stored.headers["x-amz-storage-class"] == "GLACIER_IR", key
        assert stored.headers["x-amz-acl"] == "bucket-owner-read", key
    assert fake.counts["copy_part"] == 4
