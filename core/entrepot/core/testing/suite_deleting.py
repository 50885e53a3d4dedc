"""What `delete` must do."""

from __future__ import annotations

import asyncio

import pytest

from entrepot.core.driver import Driver
from entrepot.core.errors import NotFoundError
from entrepot.core.testing.material import find, folder, get, keys, put, put_all


class Deleting:
    async def test_delete_removes(self, driver: Driver) -> None:
        await put(driver, "a/b")

        await driver.delete(["a/b"])

        with pytest.raises(NotFoundError):
            await driver.stat("a/b")
        assert await find(driver, "a/b") is None
        assert await keys(driver) == []

    async def test_delete_missing_is_no_error(self, driver: Driver) -> None:
        await driver.delete(["a", "a/b/c"])

        assert await keys(driver) == []

    async def test_delete_twice_is_no_error(self, driver: Driver) -> None:
        await put(driver, "a/b")

        await driver.delete(["a/b"])
        await driver.delete(["a/b"])

        assert await keys(driver) == []

    async def test_delete_no_keys(self, driver: Driver) -> None:
        await put(driver, "a")

        await driver.delete([])

        assert await keys(driver) == ["a"]

    async def test_delete_a_key_named_twice(self, driver: Driver) -> None:
        await put_all(driver, ["a", "b"])

        await driver.delete(["a", "a"])

        assert await keys(driver) == ["b"]

    async def test_delete_existing_among_missing(self, driver: Driver) -> None:
        await put_all(driver, ["a/1", "a/2", "b/1", "b/2"])

        await driver.delete(["a/0", "a/1", "c", "b/2", "b/2/c"])

        assert await keys(driver) == ["a/2", "b/1"]

    async def test_delete_more_keys_than_one_request_takes(self, driver: Driver) -> None:
        existing = [f"a/{number:04d}" for number in range(0, 1500, 50)]
        await put_all(driver, [*existing, "b"])

        await driver.delete([f"a/{number:04d}" for number in range(1500)])

        assert await keys(driver) == ["b"]

    async def test_delete_keeps_keys_that_begin_alike(self, driver: Driver) -> None:
        kept = ["x/ab", "x/abc-1", "x/abc.d/e", "x/abcd", "xx"]
        await put_all(driver, [*kept, "x/abc"])

        await driver.delete(["x/abc"])

        assert await keys(driver) == kept

    async def test_delete_keeps_keys_that_a_pattern_finds(self, driver: Driver) -> None:
        """`.` and `_` stand for themselves, and case counts."""
        gone = ["x/a.c", "x/a_c", "y/_"]
        kept = ["X/a.c", "x/a-c", "x/a.C", "x/a1c", "x/abc", "x/ac", "y/b"]
        await put_all(driver, [*kept, *gone])

        await driver.delete(gone)

        assert await keys(driver) == kept

    async def test_delete_below_an_object_is_no_error(self, driver: Driver) -> None:
        await put(driver, "a/b", b"an object")

        await driver.delete(["a/b/c", "a/b/c/d"])

        assert await keys(driver) == ["a/b"]

    async def test_delete_of_a_folder_deletes_nothing(self, driver: Driver) -> None:
        await put_all(driver, ["a/b/c", "a/d"])

        await driver.delete(["a", "a/b"])

        assert await keys(driver) == ["a/b/c", "a/d"]

    async def test_delete_of_the_last_object_leaves_no_folder(self, driver: Driver) -> None:
        await put_all(driver, ["a/b/c/d", "e/f"])

        await driver.delete(["a/b/c/d"])

        assert await folder(driver) == ["<e/>"]
        assert await folder(driver, "a/") == []

    async def test_delete_makes_room_for_a_key_above(self, driver: Driver) -> None:
        """No folder may be left where an object is then written."""
        await put(driver, "a/b/c")
        await driver.delete(["a/b/c"])

        await put(driver, "a/b", b"now an object")

        assert await get(driver, "a/b") == b"now an object"

    async def test_delete_at_once_with_writes_beside(self, driver: Driver) -> None:
        """Emptying a folder must not break a write into it."""
        for turn in range(20):
            await put(driver, "a/b/old")

            await asyncio.gather(driver.delete(["a/b/old"]), put(driver, f"a/b/{turn}"))

            assert await keys(driver, "a/") == [f"a/b/{turn}"]
            await driver.delete([f"a/b/{turn}"])

    async def test_delete_at_once_of_one_key(self, driver: Driver) -> None:
        await put_all(driver, ["a", "b"])

        await asyncio.gather(*(driver.delete(["a"]) for _ in range(10)))

        assert await keys(driver) == ["b"]
