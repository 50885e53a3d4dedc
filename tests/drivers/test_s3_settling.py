"""What the server does to its end, when the task that waits for it is cancelled."""

from __future__ import annotations

import asyncio

import pytest

from entrepot.drivers.s3.settling import unbroken

pytestmark = pytest.mark.anyio


class Work:
    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()
        self.ended = ""

    async def __call__(self) -> str:
        self.begun.set()
        try:
            await self.go_on.wait()
            self.ended = "done"
        except asyncio.CancelledError:
            self.ended = "cancelled"
            raise
        return self.ended


async def test_a_cancelled_task_waits_for_the_work() -> None:
    work = Work()
    task = asyncio.create_task(unbroken(work()))
    await work.begun.wait()

    for _ in range(5):
        task.cancel()
        await asyncio.sleep(0)
    assert not task.done()
    work.go_on.set()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert work.ended == "done"


async def test_a_cancelled_task_does_not_wait_for_ever() -> None:
    work = Work()
    task = asyncio.create_task(unbroken(work(), 0.01))
    await work.begun.wait()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert work.ended == "cancelled"


async def test_the_result_is_the_works() -> None:
    work = Work()
    work.go_on.set()

    assert await unbroken(work()) == "done"


async def test_an_error_is_the_works() -> None:
    async def failing() -> None:
        raise OSError("broken")

    with pytest.raises(OSError, match="broken"):
        await unbroken(failing())
