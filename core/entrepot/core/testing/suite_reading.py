"""What `stat` and `read` must do."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import aclosing

import pytest

from entrepot.core.driver import Driver, Entry
from entrepot.core.errors import NotFoundError
from entrepot.core.testing.material import LARGE, MIB, SKEW, content, ends, get, keys, put

_PIECE = 8 * MIB  # more than this at once, and a few transfers fill the memory


class Reading:
    async def test_stat_tells_key_and_size(self, driver: Driver) -> None:
        await put(driver, "a/b", content(1234))

        entry = await driver.stat("a/b")

        assert (entry.key, entry.size) == ("a/b", 1234)

    async def test_stat_of_an_empty_object(self, driver: Driver) -> None:
        await put(driver, "a", b"")

        assert (await driver.stat("a")).size == 0

    async def test_stat_tells_when_it_was_written(self, driver: Driver) -> None:
        """In seconds since the epoch, UTC: uploads and garbage expire by it."""
        await put(driver, "a")

        assert abs((await driver.stat("a")).modified - time.time()) < SKEW

    async def test_stat_is_not_older_after_a_rewrite(self, driver: Driver) -> None:
        await put(driver, "a", b"one")
        before = await driver.stat("a")
        await put(driver, "a", b"two")

        assert (await driver.stat("a")).modified >= before.modified

    async def test_stat_missing(self, driver: Driver) -> None:
        with pytest.raises(NotFoundError) as raised:
            await driver.stat("a/b")

        assert raised.value.key == "a/b"

    async def test_stat_of_a_folder_is_missing(self, driver: Driver) -> None:
        """There are no folders: a key that others begin with is a key like any other."""
        await put(driver, "a/b/c")

        for key in ("a", "a/b"):
            with pytest.raises(NotFoundError):
                await driver.stat(key)

    async def test_stat_below_an_object_is_missing(self, driver: Driver) -> None:
        await put(driver, "a/b")

        with pytest.raises(NotFoundError):
            await driver.stat("a/b/c")

    async def test_read_gives_what_was_written(self, driver: Driver) -> None:
        data = content(MIB + 7)
        await put(driver, "a/b", data)

        assert ends(await get(driver, "a/b")) == ends(data)

    async def test_read_empty_object(self, driver: Driver) -> None:
        await put(driver, "a", b"")

        assert await get(driver, "a") == b""

    async def test_read_keeps_every_byte_value(self, driver: Driver) -> None:
        data = bytes(range(256)) * 3 + b"\r\n\0\0\x80\xff\n"
        await put(driver, "a", data)

        assert await get(driver, "a") == data

    async def test_read_large_object_in_pieces(self, driver: Driver) -> None:
        data = content(LARGE)
        await put(driver, "a", data)

        async with aclosing(driver.read("a")) as chunks:
            read = [chunk async for chunk in chunks]

        assert {type(chunk) for chunk in read} == {bytes}
        assert max(len(chunk) for chunk in read) <= _PIECE
        assert ends(b"".join(read)) == ends(data)

    async def test_read_range_at_the_beginning(self, driver: Driver) -> None:
        await put(driver, "a", b"0123456789")

        assert await get(driver, "a", 0, 1) == b"0"
        assert await get(driver, "a", 0, 4) == b"0123"

    async def test_read_range_in_the_middle(self, driver: Driver) -> None:
        await put(driver, "a", b"0123456789")

        assert await get(driver, "a", 3, 7) == b"3456"

    async def test_read_range_at_the_end(self, driver: Driver) -> None:
        await put(driver, "a", b"0123456789")

        assert await get(driver, "a", 9, 10) == b"9"
        assert await get(driver, "a", 7) == b"789"

    async def test_read_range_with_stop_past_the_end(self, driver: Driver) -> None:
        await put(driver, "a", b"0123456789")

        assert await get(driver, "a", 0, 11) == b"0123456789"
        assert await get(driver, "a", 8, 10**12) == b"89"

    async def test_read_range_from_the_end_on(self, driver: Driver) -> None:
        await put(driver, "a", b"0123456789")

        assert await get(driver, "a", 10) == b""
        assert await get(driver, "a", 10, 20) == b""

    async def test_read_range_past_the_end(self, driver: Driver) -> None:
        await put(driver, "a", b"0123456789")

        assert await get(driver, "a", 11) == b""
        assert await get(driver, "a", 5000, 6000) == b""

    async def test_read_empty_range(self, driver: Driver) -> None:
        """Some backends take an empty range for no range and send everything."""
        await put(driver, "a", b"0123456789")

        assert [await get(driver, "a", at, at) for at in (0, 1, 10)] == [b"", b"", b""]

    async def test_read_range_of_a_large_object(self, driver: Driver) -> None:
        data = content(LARGE)
        await put(driver, "a", data)

        read = await get(driver, "a", MIB - 1, LARGE - 3)

        assert ends(read) == ends(data[MIB - 1 : LARGE - 3])

    async def test_read_range_of_an_empty_object(self, driver: Driver) -> None:
        await put(driver, "a", b"")

        assert await get(driver, "a", 0, 5) == b""
        assert await get(driver, "a", 3) == b""

    async def test_read_missing(self, driver: Driver) -> None:
        """The first step raises, not the call."""
        reading = driver.read("a/b")

        with pytest.raises(NotFoundError) as raised:
            await anext(reading)

        assert raised.value.key == "a/b"

    async def test_read_range_missing(self, driver: Driver) -> None:
        with pytest.raises(NotFoundError):
            await get(driver, "a", 64, 128)

    async def test_read_of_a_folder_is_missing(self, driver: Driver) -> None:
        await put(driver, "a/b/c")

        with pytest.raises(NotFoundError):
            await get(driver, "a/b")

    async def test_read_below_an_object_is_missing(self, driver: Driver) -> None:
        await put(driver, "a/b")

        with pytest.raises(NotFoundError):
            await get(driver, "a/b/c")

    async def test_reads_at_once_do_not_disturb_each_other(self, driver: Driver) -> None:
        data = content(4 * MIB)
        await put(driver, "a", data)
        dice = random.Random(7)  # noqa: S311 - repeatable

        async def read(start: int) -> None:
            stop = start + dice.randrange(1, MIB)
            assert ends(await get(driver, "a", start, stop)) == ends(data[start:stop])

        for _ in range(4):
            async with asyncio.TaskGroup() as group:
                for _ in range(16):
                    group.create_task(read(dice.randrange(4 * MIB)))

    async def test_reads_at_once_of_a_large_object(self, driver: Driver) -> None:
        """From anywhere to the end, slowly: each keeps its own place over many chunks."""
        data = content(3 * LARGE)
        await put(driver, "a", data)
        dice = random.Random(9)  # noqa: S311 - repeatable

        async def read(start: int) -> None:
            at = start
            async with aclosing(driver.read("a", start)) as chunks:
                async for chunk in chunks:
                    assert ends(chunk) == ends(data[at : at + len(chunk)])
                    at += len(chunk)
                    await asyncio.sleep(0)
            assert at == len(data)

        async with asyncio.TaskGroup() as group:
            for _ in range(10):
                group.create_task(read(dice.randrange(3 * LARGE)))

    async def test_read_and_stat_change_nothing(self, driver: Driver) -> None:
        await put(driver, "a", b"0123456789")
        before = await driver.stat("a")

        await get(driver, "a", 2, 5)

        assert await driver.stat("a") == before
        assert await keys(driver) == ["a"]

    async def test_stat_and_scan_agree(self, driver: Driver) -> None:
        await put(driver, "a", b"0123456789")

        async with aclosing(driver.scan("a")) as entries:
            scanned = [entry async for entry in entries]
        stated = await driver.stat("a")

        assert [entry.key for entry in scanned] == ["a"]
        assert isinstance(scanned[0], Entry)
        assert scanned[0].size == stated.size
        assert abs(scanned[0].modified - stated.modified) < 2.0
