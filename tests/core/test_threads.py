"""Blocking calls are bounded and have ended before their caller goes on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from entrepot.core.threads import Threads

pytestmark = pytest.mark.anyio
_SECONDS = 30.0


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def threads() -> Iterator[Threads]:
    threads = Threads(2)
    yield threads
    threads.close()


class Call:
    """A blocking call that tells when it has begun and waits to be let go."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.released = threading.Event()
        self.ended = False

    def __call__(self) -> Call:
        self.begun.set()
        assert self.released.wait(_SECONDS)
        self.ended = True
        return self


async def begun(call: Call) -> None:
    assert await asyncio.to_thread(call.begun.wait, _SECONDS)


async def test_run_gives_the_result_or_the_error(threads: Threads) -> None:
    assert await threads.run(int, "ff", 16) == 255
    with pytest.raises(ValueError, match="invalid literal"):
        await threads.run(int, "x")


async def test_cancelled_run_waits_for_its_call(threads: Threads) -> None:
    call = Call()
    task = asyncio.ensure_future(threads.run(call))
    await begun(call)

    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    waited = not task.done()
    call.released.set()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert waited
    assert call.ended


async def test_cancelled_run_that_waits_for_a_thread_still_calls(threads: Threads) -> None:
    """It may be what gives something back."""
    running = [Call(), Call()]
    tasks = [asyncio.ensure_future(threads.run(call)) for call in running]
    for call in running:
        await begun(call)
    waiting = Call()
    waiting.released.set()
    task = asyncio.ensure_future(threads.run(waiting))
    await asyncio.sleep(0)

    task.cancel()
    for call in running:
        call.released.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.gather(*tasks)

    assert waiting.ended


async def test_cancelled_obtain_gives_back(threads: Threads) -> None:
    call = Call()
    given_back: list[Call] = []
    task = asyncio.ensure_future(threads.obtain(given_back.append, call))
    await begun(call)

    task.cancel()
    call.released.set()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert given_back == [call]


async def test_obtain_keeps_what_it_gives(threads: Threads) -> None:
    given_back: list[str] = []

    assert await threads.obtain(given_back.append, lambda: "file") == "file"
    assert given_back == []
