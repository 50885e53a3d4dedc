"""What two instances over one store must do: replicas of a registry share nothing else."""

from __future__ import annotations

import pytest

from entrepot.core.driver import Driver
from entrepot.core.errors import NotFoundError
from entrepot.core.testing.material import LARGE, content, ends, find, folder, get, keys, put


class Sharing:
    async def test_write_is_seen_by_another_instance(self, driver: Driver, second: Driver) -> None:
        assert await find(second, "a/b") is None

        await put(driver, "a/b", content(LARGE))

        assert ends(await find(second, "a/b")) == ends(content(LARGE))
        assert (await second.stat("a/b")).size == LARGE

    async def test_rewrite_is_seen_by_another_instance(
        self, driver: Driver, second: Driver
    ) -> None:
        for data in (b"one", b"two more", b""):
            await put(driver, "a", data)

            assert await get(second, "a") == data
            assert (await second.stat("a")).size == len(data)

    async def test_modified_does_not_go_back_between_instances(
        self, driver: Driver, second: Driver
    ) -> None:
        """The store's clock counts, not the replica's."""
        times: list[float] = []
        for turn in range(10):
            await put((driver, second)[turn % 2], "a", b"%d" % turn)
            times.append((await driver.stat("a")).modified)
            assert abs((await second.stat("a")).modified - times[-1]) < 1.0

        assert times == sorted(times)

    async def test_delete_is_seen_by_another_instance(self, driver: Driver, second: Driver) -> None:
        await put(driver, "a")
        await second.stat("a")

        await driver.delete(["a"])

        with pytest.raises(NotFoundError):
            await second.stat("a")
        assert await find(second, "a") is None

    async def test_scan_shows_what_another_instance_did(
        self, driver: Driver, second: Driver
    ) -> None:
        await put(driver, "a/1")
        assert await keys(second, "a/") == ["a/1"]

        await put(second, "a/2")
        assert await keys(driver, "a/") == ["a/1", "a/2"]

        await second.delete(["a/1", "a/2"])
        assert await keys(driver, "a/") == []
        assert await folder(driver) == []

    async def test_delete_under_a_write_of_another_instance(
        self, driver: Driver, second: Driver
    ) -> None:
        """The two may clean up and need the same folder."""
        for turn in range(10):
            await put(driver, "a/b/c/old")
            await put(second, f"a/b/c/{turn}")
            await driver.delete(["a/b/c/old"])

            assert await keys(second, "a/b/") == [f"a/b/c/{turn}"]
            await second.delete([f"a/b/c/{turn}"])
