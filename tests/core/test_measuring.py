"""What `measure` tells of a driver, and that it leaves nothing behind."""

from __future__ import annotations

import asyncio
import math

import pytest

from entrepot.core import UnavailableError
from entrepot.core.measuring import FOLDER, Measure, measure
from entrepot.core.testing import Fault, FaultyDriver, Hang
from entrepot.core.testing.material import keys, put
from entrepot.drivers.inmemory import InMemoryDriver

pytestmark = pytest.mark.anyio

MIB = 1024 * 1024


async def brief(driver: FaultyDriver | InMemoryDriver, **options: float) -> list[Measure]:
    patience = options.get("patience", 30.0)
    return await measure(
        driver,
        seconds=0.01,
        concurrencies=(1, 4),
        stream=3 * MIB,
        part=MIB,
        keys=7,
        patience=patience,
    )


async def test_measure_names_every_operation() -> None:
    results = await brief(InMemoryDriver())

    small = ["write", "stat", "read", "create", "delete"]
    expected = [(name, width) for width in (1, 4) for name in small]
    expected += [("stream write", 1), ("stream read", 1), ("upload", 1), ("scan", 1)]
    assert [(each.operation, each.concurrency) for each in results] == expected


async def test_measure_counts_what_it_moved() -> None:
    results = {(m.operation, m.concurrency): m for m in await brief(InMemoryDriver())}

    for operation, size in (("write", 1024), ("read", 1024), ("upload", 3 * MIB)):
        result = results[operation, 1]
        assert result.size == size
        assert result.operations >= 1
        assert result.errors == 0
        assert result.bytes == size * result.operations
        assert 0 < result.p50 <= result.p99 <= result.seconds
        assert result.per_second == result.operations / result.seconds
        assert result.mib_per_second == result.bytes / MIB / result.seconds
    assert results["scan", 1].operations % 7 == 0
    assert results["delete", 1].operations == min(results["write", 1].operations, 20_000)


async def test_measure_tells_each_result_as_it_comes() -> None:
    told: list[Measure] = []

    results = await measure(InMemoryDriver(), seconds=0, stream=0, keys=0, told=told.append)

    assert told == results
    assert len(results) == 10


async def test_measure_removes_its_objects_and_no_others() -> None:
    driver = InMemoryDriver()
    await put(driver, f"{FOLDER}/of/another")
    await put(driver, "docker/registry/v2/precious")

    await brief(driver)

    assert await keys(driver) == [f"{FOLDER}/of/another", "docker/registry/v2/precious"]


async def test_measure_counts_errors_and_goes_on() -> None:
    fault = Fault("read", UnavailableError("a", "too busy"), times=None)

    results = await brief(FaultyDriver(InMemoryDriver(), fault))

    read = next(each for each in results if each.operation == "read")
    assert (read.operations, read.bytes, read.per_second) == (0, 0, 0)
    assert 1 <= read.errors <= 14
    assert "too busy" in read.first_error
    assert math.isnan(read.p50)
    assert math.isnan(read.cpu_seconds_per_operation)
    assert results[-1].operation == "scan"


async def test_measure_skips_what_needs_the_failed_write() -> None:
    fault = Fault("write", UnavailableError("a", "no"), keys="*/w/*", times=None)

    results = await measure(
        FaultyDriver(InMemoryDriver(), fault), seconds=0, concurrencies=(1,), stream=0, keys=0
    )

    assert [each.operation for each in results] == ["write", "create"]


async def test_measure_loses_patience_with_a_stuck_operation() -> None:
    fault = Fault("stat", hang=Hang(), times=None)

    results = await brief(FaultyDriver(InMemoryDriver(), fault), patience=0.01)

    stat = next(each for each in results if each.operation == "stat")
    assert stat.operations == 0
    assert "patience" in stat.first_error


async def test_measure_cancelled_removes_its_objects() -> None:
    hang = Hang()
    driver = InMemoryDriver()
    faulty = FaultyDriver(driver, Fault("stat", hang=hang))
    task = asyncio.create_task(brief(faulty))
    await hang.reached.wait()
    assert await keys(driver) != []

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert await keys(driver) == []
