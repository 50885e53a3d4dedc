"""What `write` with `create` must do: the first one wins, whoever comes later is told."""

from __future__ import annotations

import asyncio

import pytest

from entrepot.core.driver import Driver, Entry
from entrepot.core.errors import ExistsError
from entrepot.core.testing.material import (
    LARGE,
    MIB,
    Broken,
    breaking,
    cancel_midway,
    content,
    ends,
    find,
    get,
    keys,
    pieces,
    put,
)


class Creating:
    async def test_create_new(self, driver: Driver) -> None:
        entry = await driver.write("a/b", pieces(b"mine"), create=True)

        assert (entry.key, entry.size) == ("a/b", 4)
        assert await get(driver, "a/b") == b"mine"
        assert await keys(driver) == ["a/b"]

    async def test_create_large(self, driver: Driver) -> None:
        await put(driver, "a", content(LARGE), create=True)

        assert ends(await get(driver, "a")) == ends(content(LARGE))

    async def test_create_existing(self, driver: Driver) -> None:
        await put(driver, "a", b"first")

        for data in (b"later", b"", content(LARGE)):
            with pytest.raises(ExistsError) as raised:
                await put(driver, "a", data, create=True)
            assert raised.value.key == "a"

        assert await get(driver, "a") == b"first"
        assert await keys(driver) == ["a"]

    async def test_create_existing_empty_object(self, driver: Driver) -> None:
        await put(driver, "a", b"", create=True)

        with pytest.raises(ExistsError):
            await put(driver, "a", b"later", create=True)

        assert await get(driver, "a") == b""

    async def test_create_again_after_delete(self, driver: Driver) -> None:
        await put(driver, "a", b"first", create=True)
        await driver.delete(["a"])
        await put(driver, "a", b"second", create=True)

        assert await get(driver, "a") == b"second"

    async def test_write_over_created(self, driver: Driver) -> None:
        await put(driver, "a", b"first", create=True)
        await put(driver, "a", b"second")

        assert await get(driver, "a") == b"second"

    async def test_create_broken_stream_leaves_nothing(self, driver: Driver) -> None:
        for data in (b"", b"some", content(LARGE)):
            with pytest.raises(Broken):
                await driver.write("a", breaking(data, Broken()), create=True)
            assert await keys(driver) == []

        await put(driver, "a", b"second try", create=True)
        assert await get(driver, "a") == b"second try"

    async def test_create_cancelled_leaves_nothing(self, driver: Driver) -> None:
        for data in (b"some", content(LARGE)):
            await cancel_midway(lambda chunks: driver.write("a", chunks, create=True), data)
            assert await keys(driver) == []

        await put(driver, "a", b"second try", create=True)
        assert await get(driver, "a") == b"second try"

    async def test_create_two_at_once_has_one_winner(self, driver: Driver) -> None:
        for turn in range(20):
            await _compete([driver, driver], f"a/{turn}", 100)

    async def test_create_twenty_at_once_has_one_winner(self, driver: Driver) -> None:
        await _compete([driver] * 20, "a", MIB)

    async def test_create_at_once_with_a_write_does_not_replace_it(self, driver: Driver) -> None:
        """In either order the plain write's content is there in the end."""
        _needs_exclusive_create(driver)
        for turn in range(20):
            key = f"a/{turn}"

            outcomes = await asyncio.gather(
                driver.write(key, pieces(b"created", 3), create=True),
                driver.write(key, pieces(b"written", 3)),
                return_exceptions=True,
            )

            assert isinstance(outcomes[0], Entry | ExistsError)
            assert await find(driver, key) == b"written"

    async def test_create_by_two_instances_has_one_winner(
        self, driver: Driver, second: Driver
    ) -> None:
        for turn in range(10):
            await _compete([driver, second], f"a/{turn}", 100)

    async def test_create_what_another_instance_created(
        self, driver: Driver, second: Driver
    ) -> None:
        await put(driver, "a", b"first", create=True)

        with pytest.raises(ExistsError):
            await put(second, "a", b"later", create=True)

        assert await get(driver, "a") == b"first"


def _needs_exclusive_create(driver: Driver) -> None:
    if not driver.exclusive_create:
        pytest.skip("exclusive_create is False: the backend has no way to pick one winner")


async def _compete(drivers: list[Driver], key: str, size: int) -> None:
    """Create `key` with different contents at once: one wins, and its bytes are there whole."""
    _needs_exclusive_create(drivers[0])
    contents = [content(size, seed=number) for number in range(len(drivers))]
    outcomes = await asyncio.gather(
        *(
            driver.write(key, pieces(data, size // 4), create=True)
            for driver, data in zip(drivers, contents, strict=True)
        ),
        return_exceptions=True,
    )

    assert all(isinstance(outcome, Entry | ExistsError) for outcome in outcomes), outcomes
    won = [d for d, end in zip(contents, outcomes, strict=True) if isinstance(end, Entry)]
    assert len(won) == 1
    assert ends(await find(drivers[0], key)) == ends(won[0])
