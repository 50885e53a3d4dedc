"""The driver that fails on cue does so where it is told, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from entrepot.core.driver import Driver
from entrepot.core.errors import FullError, NotFoundError, UnavailableError
from entrepot.core.testing import DriverSuite, Fault, FaultyDriver, Hang, Opening
from entrepot.core.testing.material import content, find, get, keys, pieces, put

from .dictionary import DictionaryDriver, Stored

pytestmark = pytest.mark.anyio

FULL = FullError("a", "no space left")
DOWN = UnavailableError("a", "no answer")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class TestWithoutFaults(DriverSuite):
    @pytest.fixture
    def open_driver(self) -> Opening:
        store: dict[str, Stored] = {}

        @asynccontextmanager
        async def opening() -> AsyncGenerator[Driver, None]:
            yield FaultyDriver(DictionaryDriver(store))

        return opening


@pytest.fixture
def faulty() -> FaultyDriver:
    return FaultyDriver(DictionaryDriver({}))


async def test_fault_hits_the_first_call_and_no_other(faulty: FaultyDriver) -> None:
    faulty.faults = [Fault("write", FULL)]

    with pytest.raises(FullError):
        await put(faulty, "a")

    assert await find(faulty, "a") is None
    await put(faulty, "a")


async def test_fault_hits_the_nth_calls_whose_keys_match(faulty: FaultyDriver) -> None:
    await put(faulty, "a/1")
    await put(faulty, "b/1")
    faulty.faults = [Fault("stat", DOWN, keys="a/*", nth=2, times=2)]
    failed: list[int] = []

    for turn in range(1, 6):
        await faulty.stat("b/1")
        try:
            await faulty.stat("a/1")
        except UnavailableError:
            failed.append(turn)

    assert failed == [2, 3]


async def test_fault_without_end_hits_all_calls(faulty: FaultyDriver) -> None:
    faulty.faults = [Fault("delete", DOWN, times=None)]

    for _ in range(3):
        with pytest.raises(UnavailableError):
            await faulty.delete(["a"])


async def test_fault_midway_breaks_a_written_stream(faulty: FaultyDriver) -> None:
    faulty.faults = [Fault("write", FULL, when="midway")]

    with pytest.raises(FullError):
        await faulty.write("a", pieces(b"0123456789", 5))

    assert await keys(faulty) == []


async def test_fault_midway_breaks_a_read_behind_its_first_chunk(faulty: FaultyDriver) -> None:
    data = content(3 * 1024 * 1024)
    await put(faulty, "a", data)
    faulty.faults = [Fault("read", DOWN, when="midway")]
    read = faulty.read("a")

    assert data.startswith(await anext(read))
    with pytest.raises(UnavailableError):
        await anext(read)


async def test_fault_midway_breaks_a_scan_behind_its_first_entry(faulty: FaultyDriver) -> None:
    await put(faulty, "a")
    await put(faulty, "b")
    faulty.faults = [Fault("scan", DOWN, when="midway")]
    scan = faulty.scan("")

    assert (await anext(scan)).key == "a"
    with pytest.raises(UnavailableError):
        await anext(scan)


async def test_fault_after_loses_only_the_answer(faulty: FaultyDriver) -> None:
    faulty.faults = [Fault("write", DOWN, when="after")]

    with pytest.raises(UnavailableError):
        await put(faulty, "a", b"stored")

    assert await get(faulty, "a") == b"stored"


async def test_fault_in_an_upload(faulty: FaultyDriver) -> None:
    faulty.faults = [Fault("append", DOWN, keys="u/*", when="midway"), Fault("commit", FULL)]
    upload = faulty.upload("u/1")

    with pytest.raises(UnavailableError):
        await upload.append(pieces(b"some"), 0)
    await upload.append(pieces(b"some"), 0)
    with pytest.raises(FullError):
        await upload.commit("a", 4)
    await upload.commit("a", 4)

    assert await get(faulty, "a") == b"some"


async def test_fault_hangs_until_released(faulty: FaultyDriver) -> None:
    hang = Hang()
    faulty.faults = [Fault("stat", hang=hang)]
    task = asyncio.ensure_future(faulty.stat("a"))

    await hang.reached.wait()
    assert not task.done()
    hang.released.set()

    with pytest.raises(NotFoundError):
        await task


async def test_fault_that_hangs_can_be_cancelled(faulty: FaultyDriver) -> None:
    hang = Hang()
    faulty.faults = [Fault("stat", hang=hang)]
    task = asyncio.ensure_future(faulty.stat("a"))

    await hang.reached.wait()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_calls_are_kept_in_order(faulty: FaultyDriver) -> None:
    await put(faulty, "a")
    await faulty.delete(["a", "b"])
    await faulty.upload("u/1").size()

    assert faulty.calls == [("write", "a"), ("delete", "a"), ("delete", "b"), ("size", "u/1")]
