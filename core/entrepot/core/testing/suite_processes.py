"""What processes over one store must do: workers of a server, and replicas elsewhere."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import pytest

from entrepot.core.driver import Driver
from entrepot.core.testing.bounds import Bounds
from entrepot.core.testing.material import (
    LARGE,
    MIB,
    TOKEN,
    content,
    ends,
    find,
    get,
    keys,
    pieces,
    put,
)
from entrepot.core.testing.replica import Replica, Spawn, spawning

_ROUNDS = 40  # of a race; about one in ten meets in the critical moment where there is one


class Processes(Bounds):
    @pytest.fixture
    async def spawn(self, open_driver: object) -> AsyncGenerator[Spawn, None]:
        """Starts another process with a driver over the store of `driver`."""
        if open_driver is None:
            pytest.skip("only `driver` is overridden: no other process can open it")
        async with spawning(open_driver, self.patience) as spawn:
            yield spawn

    async def test_write_is_seen_by_another_process(self, driver: Driver, spawn: Spawn) -> None:
        other = await spawn()
        await put(driver, "a/b", b"old")
        assert await find(driver, "a/b") == b"old"

        assert await other.write("a/b", LARGE) == LARGE

        assert ends(await find(driver, "a/b")) == ends(content(LARGE))
        assert (await other.write("a/b", 10, create=True))["raised"] == "ExistsError"

    async def test_create_by_two_processes_has_one_winner(
        self, driver: Driver, spawn: Spawn
    ) -> None:
        if not driver.exclusive_create:
            pytest.skip("exclusive_create is False: the backend has no way to pick one winner")
        replicas = await spawn(), await spawn()
        for turn in range(_ROUNDS):
            key, size = f"a/{turn}", 1000 + turn
            outcomes = await _race(replicas[turn % 2 :] + replicas[: turn % 2], key, size)

            won = [seed for seed, outcome in outcomes.items() if outcome == size]
            lost = [outcome for seed, outcome in outcomes.items() if seed not in won]
            assert (turn, len(won)) == (turn, 1), outcomes
            assert [outcome["raised"] for outcome in lost] == ["ExistsError"]
            assert ends(await find(driver, key)) == ends(content(size, won[0]))

    async def test_upload_goes_on_in_another_process(self, driver: Driver, spawn: Spawn) -> None:
        """Begun here, carried on there, ended here; and the other way round."""
        other, size = await spawn(), 3 * LARGE
        data = content(size)
        for token in ("u/1", "u/2"):
            await driver.upload(token).append(pieces(data[:LARGE]), 0)
            assert await other.size(token) == LARGE
            assert await other.append(token, size, LARGE, 2 * LARGE) == 2 * LARGE
            assert (await other.append(token, size, LARGE, 2 * LARGE))["raised"] == "OffsetError"
            await driver.upload(token).append(pieces(data[2 * LARGE :]), 2 * LARGE)

        await driver.upload("u/1").commit("b/1", size)
        assert await other.commit("u/2", "b/2", size) == size

        assert ends(await get(driver, "b/1")) == ends(data)
        assert ends(await get(driver, "b/2")) == ends(data)
        assert [await other.size(token) for token in ("u/1", "u/2")] == [0, 0]
        assert await keys(driver) == ["b/1", "b/2"]

    async def test_upload_goes_on_after_a_process_was_killed(
        self, driver: Driver, spawn: Spawn
    ) -> None:
        """`kill -9` in the middle of an append: what is held is a true prefix of the stream."""
        size, kept = 3 * LARGE, 1000
        data = content(size)
        for turn, reached in enumerate((kept + 100, 2 * LARGE)):
            token = f"{TOKEN}{turn}"
            await driver.upload(token).append(pieces(data[:kept]), 0)
            other = await spawn()
            await other.halt_in("append", token, size, kept, reached)
            other.kill()

            held = await driver.upload(token).size()
            assert kept <= held <= reached
            await driver.upload(token).append(pieces(data[held:]), held)
            await driver.upload(token).commit("b", size)

            assert ends(await get(driver, "b")) == ends(data)
            assert await driver.upload(token).size() == 0
            assert await keys(driver) == ["b"]

    async def test_write_of_a_killed_process_leaves_the_old_content(
        self, driver: Driver, spawn: Spawn
    ) -> None:
        old = content(MIB, seed=1)
        await put(driver, "a", old)

        for key in ("a", "b"):
            other = await spawn()
            await other.halt_in("write", key, 2 * LARGE, 0, LARGE)
            other.kill()

        assert ends(await find(driver, "a")) == ends(old)
        assert await keys(driver) == ["a"]
        await put(driver, "b", b"another try", create=True)
        assert await get(driver, "b") == b"another try"


async def _race(replicas: tuple[Replica, ...], key: str, size: int) -> dict[int, Any]:
    """Let all create one key at once with contents of their own; outcomes by their seeds."""
    for seed, replica in enumerate(replicas):
        replica.tell("write", key, of=size, stop=size, seed=seed, create=True)
    return {seed: await replica.answer() for seed, replica in enumerate(replicas)}
