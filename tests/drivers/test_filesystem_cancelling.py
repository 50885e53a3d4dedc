"""Cancellation while a thread is at work: it ends first, and nothing is left behind."""

from __future__ import annotations

import asyncio
import fcntl
import os
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from tests.drivers.watching import Held, cold, files_below, open_files

from entrepot.core import Driver
from entrepot.core.testing.material import Broken, breaking, content, get, pieces, put

pytestmark = pytest.mark.anyio

MIB = 1024 * 1024


@pytest.fixture(params=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """On both event loops, because it is their tasks that have to wait."""
    return "asyncio", {"use_uvloop": request.param == "uvloop"}


async def cancel_in_thread(held: Held, operation: Coroutine[Any, Any, object]) -> None:
    """Cancel while the thread is held up; the task must not end before the thread."""
    task = await held.begin(operation)
    task.cancel()
    for _ in range(10):
        await asyncio.sleep(0)
        task.cancel()
    assert not task.done()
    held.let_go()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("size", [1, 3 * MIB])
@pytest.mark.parametrize("create", [False, True])
async def test_write_cancelled_while_it_is_synced_leaves_the_key_as_it_was(
    driver: Driver, root: Path, monkeypatch: pytest.MonkeyPatch, size: int, create: bool
) -> None:
    before = open_files()
    held = Held(monkeypatch, os, "fsync")

    await cancel_in_thread(held, put(driver, "a/b", content(size), create=create))

    assert files_below(root) == []
    assert open_files() == before


async def test_write_cancelled_while_its_file_is_made_leaves_nothing(
    driver: Driver, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = open_files()
    held = Held(monkeypatch, os, "mkdir")

    await cancel_in_thread(held, put(driver, "a/b", content(3 * MIB)))

    assert files_below(root) == []
    assert open_files() == before


async def test_write_cancelled_while_chunks_are_written_leaves_nothing(
    driver: Driver, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = open_files()
    held = Held(monkeypatch, os, "writev")

    await cancel_in_thread(held, put(driver, "a/b", content(3 * MIB)))

    assert files_below(root) == []
    assert open_files() == before


async def test_append_cancelled_while_it_gets_the_lock_gives_it_back(
    driver: Driver, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = open_files()
    held = Held(monkeypatch, fcntl, "flock")

    await cancel_in_thread(held, driver.upload("u").append(pieces(b"some"), 0))

    assert files_below(root) == []
    assert open_files() == before
    assert await driver.upload("u").append(pieces(b"again"), 0) == 5


async def test_append_cancelled_while_it_is_written_keeps_a_true_prefix(
    driver: Driver, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = open_files()
    data = content(3 * MIB)
    held = Held(monkeypatch, os, "writev")

    await cancel_in_thread(held, driver.upload("u").append(pieces(data), 0))

    size = await driver.upload("u").size()
    assert size >= MIB
    assert (root / "u/data").read_bytes() == data[:size]
    assert open_files() == before


async def test_commit_cancelled_before_the_rename_leaves_the_upload(
    driver: Driver, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await driver.upload("u").append(pieces(b"some"), 0)
    held = Held(monkeypatch, os, "fsync")

    await cancel_in_thread(held, driver.upload("u").commit("a", 4))

    assert files_below(root) == ["u/data"]
    await driver.upload("u").commit("a", 4)


async def test_read_cancelled_in_a_thread_closes_its_file(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(driver, "a", content(3 * MIB))
    before = open_files()
    cold(monkeypatch)
    held = Held(monkeypatch, os, "pread")

    await cancel_in_thread(held, get(driver, "a"))

    assert open_files() == before


async def test_read_closed_early_closes_its_file_when_the_thread_has_done(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until then the number of the file must not become another file's."""
    await put(driver, "a", content(3 * MIB))
    before = open_files()
    cold(monkeypatch)
    held = Held(monkeypatch, os, "pread", through=1)
    reading = driver.read("a")
    await anext(reading)
    async with asyncio.timeout(60):
        await held.reached.wait()

    closing = asyncio.ensure_future(reading.aclose())
    for _ in range(10):
        await asyncio.sleep(0)
    assert not closing.done()
    assert open_files() == before + 1
    held.let_go()
    await closing

    assert open_files() == before


async def test_deleted_file_is_closed_in_a_thread(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Freeing the blocks of a large one would keep the event loop waiting."""
    await put(driver, "a", content(3 * MIB))
    reading = driver.read("a")
    await anext(reading)
    await driver.delete(["a"])
    closed_in: list[int] = []
    close = os.close

    def close_and_tell(descriptor: int) -> None:
        closed_in.append(threading.get_ident())
        close(descriptor)

    monkeypatch.setattr(os, "close", close_and_tell)
    await reading.aclose()

    assert len(closed_in) == 1
    assert closed_in[0] != threading.get_ident()


async def test_append_that_breaks_closes_its_file_when_the_thread_has_done(
    driver: Driver, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = open_files()
    held = Held(monkeypatch, os, "writev")
    task = await held.begin(driver.upload("u").append(breaking(b"some", Broken()), 0))

    await driver.delete(["x"])  # other threads have their turn
    assert open_files() == before + 1
    held.let_go()
    with pytest.raises(Broken):
        await task

    assert (root / "u/data").read_bytes() == b"some"
    assert open_files() == before


async def test_copy_cancelled_leaves_nothing(
    driver: Driver, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(driver, "a", content(3 * MIB))
    before = open_files()
    held = Held(monkeypatch, os, "copy_file_range")

    await cancel_in_thread(held, driver.copy("a", "b/c"))

    assert files_below(root) == ["a"]
    assert open_files() == before


async def test_timeout_in_a_thread_is_a_timeout(
    driver: Driver, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(monkeypatch, os, "fsync")

    loop = asyncio.get_running_loop()

    async def put_in_time() -> None:
        async with asyncio.timeout(0.001) as timeout:
            loop.call_at(timeout.when() or 0.0, loop.call_later, 0.001, held.let_go)
            await put(driver, "a")

    with pytest.raises(TimeoutError):
        await put_in_time()

    assert files_below(root) == []
