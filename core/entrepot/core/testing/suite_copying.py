"""What `copy` and `move` must do, by default or faster."""

from __future__ import annotations

import pytest

from entrepot.core.driver import Driver
from entrepot.core.errors import NotFoundError
from entrepot.core.testing.material import LARGE, content, ends, find, get, keys, put


class Copying:
    async def test_copy_gives_an_equal(self, driver: Driver) -> None:
        await put(driver, "a/b", b"content")

        entry = await driver.copy("a/b", "c/d")

        assert (entry.key, entry.size) == ("c/d", 7)
        assert [await get(driver, key) for key in ("a/b", "c/d")] == [b"content"] * 2
        assert await keys(driver) == ["a/b", "c/d"]

    async def test_copy_large_is_complete_on_return(self, driver: Driver) -> None:
        """Some stores copy in the background: wait for it."""
        await put(driver, "a", content(LARGE))

        await driver.copy("a", "b")

        assert ends(await find(driver, "b")) == ends(content(LARGE))

    async def test_copy_empty_object(self, driver: Driver) -> None:
        await put(driver, "a", b"")

        assert (await driver.copy("a", "b")).size == 0
        assert await find(driver, "b") == b""

    async def test_copy_over_existing(self, driver: Driver) -> None:
        await put(driver, "a", b"new")
        await put(driver, "b", b"old and longer")

        await driver.copy("a", "b")

        assert await get(driver, "b") == b"new"

    async def test_copy_onto_itself(self, driver: Driver) -> None:
        await put(driver, "a", content(LARGE))

        entry = await driver.copy("a", "a")

        assert entry.size == LARGE
        assert ends(await find(driver, "a")) == ends(content(LARGE))

    async def test_copy_missing_leaves_the_target(self, driver: Driver) -> None:
        await put(driver, "b", b"old")

        for target in ("b", "c"):
            with pytest.raises(NotFoundError):
                await driver.copy("a", target)

        assert await get(driver, "b") == b"old"
        assert await keys(driver) == ["b"]

    async def test_copy_of_a_folder_is_missing(self, driver: Driver) -> None:
        await put(driver, "a/b")

        with pytest.raises(NotFoundError):
            await driver.copy("a", "c")

        assert await keys(driver) == ["a/b"]

    async def test_copy_outlives_its_source(self, driver: Driver) -> None:
        await put(driver, "a", b"content")
        await driver.copy("a", "b")

        await put(driver, "a", b"other")
        assert await get(driver, "b") == b"content"
        await driver.delete(["a"])
        assert await get(driver, "b") == b"content"

    async def test_move_leaves_the_target_alone(self, driver: Driver) -> None:
        await put(driver, "a/b", b"content")

        entry = await driver.move("a/b", "c/d")

        assert (entry.key, entry.size) == ("c/d", 7)
        assert await get(driver, "c/d") == b"content"
        assert await keys(driver) == ["c/d"]

    async def test_move_large(self, driver: Driver) -> None:
        await put(driver, "a", content(LARGE))

        await driver.move("a", "b/c")

        assert ends(await find(driver, "b/c")) == ends(content(LARGE))
        assert await find(driver, "a") is None

    async def test_move_over_existing(self, driver: Driver) -> None:
        await put(driver, "a", b"new")
        await put(driver, "b", b"old and longer")

        await driver.move("a", "b")

        assert await get(driver, "b") == b"new"
        assert await keys(driver) == ["b"]

    async def test_move_onto_itself(self, driver: Driver) -> None:
        await put(driver, "a", b"content")

        entry = await driver.move("a", "a")

        assert entry.size == 7
        assert await find(driver, "a") == b"content"

    async def test_move_missing_leaves_the_target(self, driver: Driver) -> None:
        await put(driver, "b", b"old")

        for target in ("b", "c"):
            with pytest.raises(NotFoundError):
                await driver.move("a", target)

        assert await get(driver, "b") == b"old"
        assert await keys(driver) == ["b"]

    async def test_move_missing_below_an_object(self, driver: Driver) -> None:
        await put(driver, "a", b"an object")

        for method in (driver.move, driver.copy):
            with pytest.raises(NotFoundError):
                await method("a/b", "c")

        assert await keys(driver) == ["a"]

    async def test_move_leaves_no_folder(self, driver: Driver) -> None:
        await put(driver, "a/b/c", b"content")

        await driver.move("a/b/c", "d")
        await put(driver, "a/b", b"now an object")

        assert await get(driver, "a/b") == b"now an object"

    async def test_move_of_a_folder_is_missing(self, driver: Driver) -> None:
        await put(driver, "a/b")

        with pytest.raises(NotFoundError):
            await driver.move("a", "c")

        assert await keys(driver) == ["a/b"]
