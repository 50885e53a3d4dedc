"""Calls in threads, and on the event loop while the disk is quick."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from tests.drivers.watching import evict

from entrepot.core.driver import Driver
from entrepot.core.streams import once
from entrepot.core.threads import Wanted
from entrepot.drivers.filesystem.threads import Pace, PacedThreads

pytestmark = pytest.mark.anyio


def names_of_threads() -> list[str]:
    """Those that are this module's."""
    names = [thread.name for thread in threading.enumerate()]
    return [name for name in names if name.startswith("filesystem-")]


class Clock:
    """Time that passes only in `work`."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def work(self, seconds: float) -> int:
        """Take some time; gives the thread in which it did."""
        self.now += seconds
        return threading.get_ident()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def threads(clock: Clock) -> AsyncGenerator[PacedThreads, None]:
    threads = PacedThreads(3, Pace(clock))
    yield threads
    threads.close()


async def test_walk_on_a_quick_disk_goes_on_in_slices(threads: PacedThreads, clock: Clock) -> None:
    here = threading.get_ident()
    items = (clock.work(0.0015) for _ in range(5))

    assert await threads.take(items, 1) == ([here], False)
    assert await threads.take(items, 9) == ([here] * 2, False)
    assert await threads.take(items, 9) == ([here] * 2, False)
    assert await threads.take(items, 9) == ([], True)


async def test_walk_on_a_slow_disk_goes_through_a_thread(
    threads: PacedThreads, clock: Clock
) -> None:
    items = (clock.work(0.03) for _ in range(4))

    assert await threads.take(items, 9) == ([threading.get_ident()], False)
    page, is_end = await threads.take(items, 9)

    assert (len(page), is_end) == (3, True)
    assert threading.get_ident() not in page


async def test_quick_calls_are_made_on_the_event_loop(threads: PacedThreads, clock: Clock) -> None:
    here = threading.get_ident()

    assert [await threads.quick(None, clock.work, 0.019) for _ in range(3)] == [here] * 3


async def test_quick_calls_go_through_threads_after_a_slow_one(
    threads: PacedThreads, clock: Clock
) -> None:
    here = threading.get_ident()
    assert await threads.quick(None, clock.work, 0.021) == here

    clock.now += 0.9
    assert await threads.quick(None, clock.work, 0.0) != here
    assert await threads.quick(lambda _: None, clock.work, 0.2) != here
    assert await threads.quick(None, clock.work, 0.0) == here


async def test_slow_call_that_fails_counts(threads: PacedThreads, clock: Clock) -> None:
    def fail() -> int:
        clock.work(0.1)
        raise FileNotFoundError

    with pytest.raises(FileNotFoundError):
        await threads.quick(None, fail)

    assert await threads.quick(None, clock.work, 0.0) != threading.get_ident()


async def test_calls_run_at_most_so_many_at_a_time(threads: PacedThreads) -> None:
    meeting = threading.Barrier(3)  # passes only if three are here

    calls = [threads.start(meeting.wait, 60) for _ in range(9)]

    assert len(names_of_threads()) == 3
    assert sorted([await call for call in calls]) == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert len(names_of_threads()) == 3


async def test_calls_one_after_another_need_one_thread(threads: PacedThreads) -> None:
    assert len({await threads.run(threading.get_ident) for _ in range(10)}) == 1


async def test_error_of_a_call_comes_out(threads: PacedThreads) -> None:
    error = OSError(5, "broken")

    def fail() -> None:
        raise error

    with pytest.raises(OSError, match="broken") as caught:
        await threads.run(fail)
    assert caught.value is error


async def test_result_that_nobody_takes_is_released(threads: PacedThreads) -> None:
    reached, go = threading.Event(), threading.Event()
    released: list[str] = []

    def obtain() -> str:
        reached.set()
        assert go.wait(60)
        return "held"

    task = asyncio.ensure_future(threads.obtain(released.append, obtain))
    await asyncio.to_thread(reached.wait, 60)
    task.cancel()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert released == ["held"]


async def test_error_that_nobody_takes_is_not_reported_as_forgotten(threads: PacedThreads) -> None:
    reached, go = threading.Event(), threading.Event()
    reported: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))

    def fail() -> None:
        reached.set()
        assert go.wait(60)
        raise OSError(5, "broken")

    task = asyncio.ensure_future(threads.run(fail))
    await asyncio.to_thread(reached.wait, 60)
    task.cancel()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    del task

    assert reported == []


async def test_call_can_ask_whether_it_is_wanted(threads: PacedThreads) -> None:
    reached, go = threading.Event(), threading.Event()
    answers: list[bool] = []

    def call(wanted: Wanted) -> None:
        answers.append(wanted())
        reached.set()
        assert go.wait(60)
        answers.append(wanted())

    task = asyncio.ensure_future(threads.run_wanted(call))
    await asyncio.to_thread(reached.wait, 60)
    task.cancel()
    await asyncio.sleep(0)
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert answers == [True, False]


async def test_close_ends_the_threads() -> None:
    threads = PacedThreads(3)
    await threads.run(int)
    assert names_of_threads() == ["filesystem-0"]

    threads.close()

    assert names_of_threads() == []


async def test_file_in_memory_is_read_on_the_event_loop(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = bytes(range(256)) * 12 * 1024
    await driver.write("a", once(data))
    readers: set[int] = set()
    pread = os.pread

    def noting(descriptor: int, size: int, offset: int) -> bytes:
        readers.add(threading.get_ident())
        return pread(descriptor, size, offset)

    monkeypatch.setattr(os, "pread", noting)

    assert b"".join([chunk async for chunk in driver.read("a")]) == data
    assert readers == {threading.get_ident()}


async def test_file_on_the_disk_is_read_in_threads(
    driver: Driver, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = bytes(range(256)) * 12 * 1024
    await driver.write("a", once(data))
    evict(root / "a")
    readers: list[int] = []
    pread = os.pread

    def noting(descriptor: int, size: int, offset: int) -> bytes:
        readers.append(threading.get_ident())
        return pread(descriptor, size, offset)

    monkeypatch.setattr(os, "pread", noting)

    assert b"".join([chunk async for chunk in driver.read("a")]) == data
    assert readers[0] != threading.get_ident()
