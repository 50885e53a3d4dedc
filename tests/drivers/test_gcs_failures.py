"""What the gcs driver makes of a backend that fails, throttles, cuts and stalls."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace

import pytest
from tests.drivers.gcs_fake import Fake, Fault
from tests.drivers.gcs_opened import HURRY, MIB, NO_PATIENCE, driver, fake, open_on

from entrepot.core import (
    AccessError,
    DeleteError,
    Driver,
    NotFoundError,
    StorageError,
    UnavailableError,
)
from entrepot.core.testing.material import content, get, keys, put

__all__ = ["driver", "fake"]
pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("status", [0, 408, 429, 500, 502, 503, 504])
async def test_passing_failure_is_not_noticed(driver: Driver, fake: Fake, status: int) -> None:
    for kind in ("stat", "read", "list", "insert", "rewrite", "delete"):
        fake.faults.append(Fault(kind, status, times=2))

    await put(driver, "a", b"content")
    assert (await driver.stat("a")).size == 7
    assert await get(driver, "a") == b"content"
    assert await keys(driver) == ["a"]
    await driver.copy("a", "b")
    await driver.delete(["a"])

    assert await keys(driver) == ["b"]
    assert not any(fault.times for fault in fake.faults)


@pytest.mark.parametrize("status", [0, 429, 503])
async def test_lasting_failure_is_unavailable(driver: Driver, fake: Fake, status: int) -> None:
    fake.faults.append(Fault("stat", status, times=99))

    with pytest.raises(UnavailableError):
        await driver.stat("a")

    assert fake.requests["stat"] == 4 or not status  # a broken connection is tried twice


async def test_throttling_tells_when_to_come_again(driver: Driver, fake: Fake) -> None:
    fake.faults.append(Fault("stat", 429, times=99, headers={"Retry-After": "30"}))

    with pytest.raises(UnavailableError) as raised:
        await driver.stat("a")

    assert raised.value.retry_after == 30
    assert fake.requests["stat"] == 1  # 30 seconds are more than there is time for


async def test_rate_limit_told_as_403_is_throttling(driver: Driver, fake: Fake) -> None:
    fake.faults.append(Fault("stat", 403, times=99, reason="rateLimitExceeded"))

    with pytest.raises(UnavailableError):
        await driver.stat("a")


@pytest.mark.parametrize("status", [400, 401, 403, 409, 429, 500, 503])
async def test_no_failure_looks_like_absence(driver: Driver, fake: Fake, status: int) -> None:
    for kind in ("stat", "read"):
        fake.faults.append(Fault(kind, status, times=99))

    for reading in (driver.stat("a"), get(driver, "a")):
        with pytest.raises(StorageError) as raised:
            await reading
        assert not isinstance(raised.value, NotFoundError)


@pytest.mark.parametrize("kind", ["stat", "read", "list", "insert", "begin", "rewrite"])
async def test_permission_denied_is_told_at_once(driver: Driver, fake: Fake, kind: str) -> None:
    await put(driver, "a")
    fake.faults.append(Fault(kind, 403, times=99, reason="forbidden", message="no storage.x.get"))
    operations: dict[str, Callable[[], Awaitable[object]]] = {
        "stat": lambda: driver.stat("a"),
        "read": lambda: get(driver, "a"),
        "list": lambda: keys(driver),
        "insert": lambda: put(driver, "a"),
        "begin": lambda: put(driver, "a", content(MIB)),
        "rewrite": lambda: driver.copy("a", "b"),
    }

    with pytest.raises(AccessError, match=r"no storage\.x\.get"):
        await operations[kind]()

    assert fake.faults[0].times == 98


async def test_bucket_that_vanished_makes_no_object_look_deleted(
    driver: Driver, fake: Fake
) -> None:
    fake.store.bucket = "another"

    for reading in (driver.stat("a"), get(driver, "a"), keys(driver)):
        with pytest.raises(AccessError, match="bucket does not exist"):
            await reading


async def test_stuck_backend_ends_in_time(fake: Fake) -> None:
    fake.faults.append(Fault("stat", times=99, stall=True))

    async with asyncio.timeout(10), open_on(fake, patience=NO_PATIENCE) as driver:
        with pytest.raises(UnavailableError, match="in time"):
            await driver.stat("a")


async def test_silence_ends_in_the_time_of_the_options(fake: Fake) -> None:
    fake.faults.append(Fault("stat", times=99, stall=True))
    usual = replace(HURRY, total=60.0, answer=30.0)

    async with asyncio.timeout(20), open_on(fake, patience=usual, timeout="200ms") as driver:
        with pytest.raises(UnavailableError, match="in time"):
            await driver.stat("a")
    assert fake.requests["stat"] <= 3  # of four, for twice that time is over


async def test_delete_says_which_keys_are_left(driver: Driver, fake: Fake) -> None:
    for key in "abc":
        await put(driver, key)
    fake.faults.append(Fault("delete", 403, skip=1))

    with pytest.raises(DeleteError) as raised:
        await driver.delete(["a", "b", "c"])

    assert len(raised.value.failures) == 1
    assert list(raised.value.failures) == await keys(driver)
    assert all(isinstance(error, AccessError) for error in raised.value.failures.values())


async def test_batch_is_tried_again_for_what_failed(fake: Fake) -> None:
    async with open_on(fake, batches=True) as driver:
        for number in range(9):
            await put(driver, f"a/{number}")
        fake.faults += [Fault("batched", 503, skip=2), Fault("batched", 403, skip=4)]
        fake.faults.append(Fault("batch", 503))

        with pytest.raises(DeleteError) as raised:
            await driver.delete([*(f"a/{number}" for number in range(9)), "a/missing"])

        assert list(raised.value.failures) == await keys(driver)
        assert len(raised.value.failures) == 1
        assert fake.requests["batch"] == 3
        assert fake.requests["delete"] == 0


@pytest.mark.parametrize("start", [0, 1000])
async def test_read_that_was_cut_goes_on(driver: Driver, fake: Fake, start: int) -> None:
    await put(driver, "a", content(3 * MIB))
    fake.faults += [Fault("read", bytes=2 * MIB + 5), Fault("read", bytes=1), Fault("read")]

    assert await get(driver, "a", start) == content(3 * MIB)[start:]
    assert fake.requests["read"] == 4


async def test_read_that_is_cut_again_and_again_is_an_error(driver: Driver, fake: Fake) -> None:
    await put(driver, "a", content(3 * MIB))
    fake.faults += [Fault("read", bytes=MIB + 5), Fault("read", bytes=0, times=99)]

    with pytest.raises(UnavailableError):
        await get(driver, "a")


async def test_read_that_was_cut_never_mixes_contents(driver: Driver, fake: Fake) -> None:
    await put(driver, "a", content(3 * MIB, seed=1))
    fake.faults.append(Fault("read", bytes=2 * MIB))

    async with aclosing(driver.read("a")) as chunks:
        await anext(chunks)
        await put(driver, "a", content(3 * MIB, seed=2))
        with pytest.raises(UnavailableError, match="replaced"):
            async for _ in chunks:
                pass


async def test_read_that_stalls_ends_in_time(fake: Fake) -> None:
    async with asyncio.timeout(10), open_on(fake, patience=NO_PATIENCE) as driver:
        await put(driver, "a", content(MIB))
        fake.faults.append(Fault("read", times=99, stall=True))

        with pytest.raises(UnavailableError, match="in time"):
            await get(driver, "a")


async def test_reads_closed_early_give_their_connections_back(driver: Driver) -> None:
    """More than there are calls at a time."""
    await put(driver, "a", content(3 * MIB))

    for _ in range(60):
        async with aclosing(driver.read("a")) as chunks:
            await anext(chunks)

    assert (await driver.stat("a")).size == 3 * MIB


async def test_readers_that_wait_keep_nobody_away(driver: Driver) -> None:
    await put(driver, "a", content(3 * MIB))
    readers = [driver.read("a") for _ in range(60)]
    for chunks in readers:
        await anext(chunks)

    await put(driver, "b")

    for chunks in readers:
        await chunks.aclose()
    assert await keys(driver) == ["a", "b"]


async def test_calls_at_a_time_are_bounded(fake: Fake) -> None:
    async with open_on(fake, maxconcurrency=25) as driver:
        await put(driver, "a")

        async with asyncio.TaskGroup() as group:
            for _ in range(100):
                group.create_task(driver.stat("a"))

        assert fake.most_open <= 25
