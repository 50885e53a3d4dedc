"""What must be given back when calls end early: a client's connections are few."""

from __future__ import annotations

import asyncio
import os
from contextlib import aclosing, suppress

import pytest

from entrepot.core.driver import Driver
from entrepot.core.errors import NotFoundError
from entrepot.core.testing.bounds import Bounds
from entrepot.core.testing.material import (
    MIB,
    TURNS,
    Broken,
    breaking,
    cancel_after,
    content,
    ends,
    get,
    keys,
    pieces,
    put,
    put_all,
    within,
)

_KEPT = "calls that ended early seem to keep their connection, and the pool has no more"


class Leaking(Bounds):
    async def test_read_closed_early_leaks_nothing(self, driver: Driver) -> None:
        """Clients disconnect: a connection or file kept each time is soon the last one."""
        data = content(3 * MIB)
        await put(driver, "a", data)
        before = _open_files()

        async with within(self.patience, _KEPT):
            for _ in range(200):
                async with aclosing(driver.read("a")) as chunks:
                    await anext(chunks)

            assert ends(await get(driver, "a")) == ends(data)
        assert _open_files() - before < 100

    async def test_reads_closed_early_at_once_leak_nothing(self, driver: Driver) -> None:
        data = content(3 * MIB)
        await put(driver, "a", data)
        before = _open_files()

        async def begin() -> None:
            async with aclosing(driver.read("a", 5, 2 * MIB)) as chunks:
                await anext(chunks)

        async with within(self.patience, _KEPT):
            for _ in range(10):
                async with asyncio.TaskGroup() as group:
                    for _ in range(20):
                        group.create_task(begin())

            assert ends(await get(driver, "a")) == ends(data)
        assert _open_files() - before < 100

    async def test_read_closed_before_its_first_step_leaks_nothing(self, driver: Driver) -> None:
        await put(driver, "a", b"content")

        async with within(self.patience, _KEPT):
            for _ in range(200):
                await driver.read("a").aclose()

            assert await get(driver, "a") == b"content"

    async def test_read_of_missing_objects_leaks_nothing(self, driver: Driver) -> None:
        """The body of a refusal has to be read, or its connection closed."""
        await put(driver, "a", b"content")

        async with within(self.patience, _KEPT):
            for _ in range(200):
                with pytest.raises(NotFoundError):
                    await get(driver, "b")

            assert await get(driver, "a") == b"content"

    async def test_read_cancelled_leaks_nothing(self, driver: Driver) -> None:
        data = content(3 * MIB)
        await put(driver, "a", data)
        before = _open_files()

        async with within(self.patience, _KEPT):
            for step in range(200):
                await cancel_after(step % 7, get(driver, "a"))

            assert ends(await get(driver, "a")) == ends(data)
        assert _open_files() - before < 100

    async def test_write_of_broken_streams_leaks_nothing(self, driver: Driver) -> None:
        data = content(300 * 1024)
        before = _open_files()

        async with within(self.patience, _KEPT):
            for _ in range(100):
                with pytest.raises(Broken):
                    await driver.write("a", breaking(data, Broken()))

            await put(driver, "a", data)
        assert ends(await get(driver, "a")) == ends(data)
        assert _open_files() - before < 50

    async def test_write_cancelled_leaks_nothing(self, driver: Driver) -> None:
        """Wherever it was, and whether or not it was complete by then."""
        data = content(300 * 1024)
        before = _open_files()

        async with within(self.patience, _KEPT):
            for _ in range(8):
                for turns in TURNS:
                    await cancel_after(turns, driver.write("a", pieces(data, 64 * 1024)))

            await put(driver, "b", data)
        assert set(await keys(driver)) <= {"a", "b"}
        assert _open_files() - before < 50

    async def test_upload_of_broken_streams_leaks_nothing(self, driver: Driver) -> None:
        data = content(300 * 1024)
        before = _open_files()

        async with within(self.patience, _KEPT):
            for number in range(100):
                upload = driver.upload(f"u/{number}")
                with suppress(Broken):
                    await upload.append(breaking(data, Broken()), 0)
                await upload.abort()

            await put(driver, "a", data)
        assert await keys(driver) == ["a"]
        assert _open_files() - before < 50

    async def test_scan_closed_early_leaks_nothing(self, driver: Driver) -> None:
        written = [f"a/{number}" for number in range(10)]
        await put_all(driver, written)
        before = _open_files()

        async with within(self.patience, _KEPT):
            for _ in range(200):
                async with aclosing(driver.scan("a/")) as entries:
                    assert (await anext(entries)).key == "a/0"

            assert await keys(driver) == written
        assert _open_files() - before < 100

    async def test_scan_cancelled_leaks_nothing(self, driver: Driver) -> None:
        written = [f"a/{number}" for number in range(10)]
        await put_all(driver, written)

        async with within(self.patience, _KEPT):
            for step in range(200):
                await cancel_after(step % 7, keys(driver))

            assert await keys(driver) == written


def _open_files() -> int:
    """Files and connections that this process has open; 0 where the system does not say."""
    try:
        return len(os.listdir("/proc/self/fd"))
    except OSError:
        return 0
