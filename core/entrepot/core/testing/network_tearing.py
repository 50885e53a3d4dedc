"""Answers that break off: what was not whole is never taken for the whole."""

from __future__ import annotations

from contextlib import aclosing, suppress

from entrepot.core.driver import Driver
from entrepot.core.errors import UnavailableError
from entrepot.core.testing.bounds import Bounds
from entrepot.core.testing.material import (
    LARGE,
    MIB,
    content,
    ends,
    get,
    keys,
    put,
    put_all,
    within,
)
from entrepot.core.testing.proxy import Action, Failure, FaultProxy

_HANGS = "a read does not end although its answer broke off"


class Tearing(Bounds):
    async def test_read_reset_is_never_short(
        self, driver: Driver, direct: Driver, proxy: FaultProxy
    ) -> None:
        """Whole, or unavailable behind a true prefix."""
        await self._tear(driver, direct, proxy, "cut answer", (1, 2000, LARGE // 2, LARGE - 1))

    async def test_read_truncated_is_never_short(
        self, driver: Driver, direct: Driver, proxy: FaultProxy
    ) -> None:
        """The connection ends in good order, and only the length tells."""
        await self._tear(driver, direct, proxy, "truncate", (1, LARGE // 2, LARGE - 1))

    async def test_read_stuck_in_the_middle_ends(
        self, driver: Driver, direct: Driver, proxy: FaultProxy
    ) -> None:
        await self._tear(driver, direct, proxy, "stall answer", (LARGE // 2,))

    async def test_read_reset_each_time_ends(
        self, driver: Driver, direct: Driver, proxy: FaultProxy
    ) -> None:
        """Whoever goes on where it broke off must make progress or give up."""
        await put(direct, "a", content(LARGE))
        proxy.failures = [Failure("cut answer", "GET", after=300, times=None)]

        read = await self._read(driver)

        assert content(LARGE).startswith(read)

    async def test_reads_reset_leak_nothing(
        self, driver: Driver, direct: Driver, proxy: FaultProxy
    ) -> None:
        data = content(MIB)
        await put(direct, "a", data)
        proxy.failures = [Failure("cut answer", "GET", after=MIB // 2, times=None)]

        async with within(self.patience, _HANGS):
            for _ in range(30):
                async with aclosing(driver.read("a")) as chunks:
                    with suppress(UnavailableError):
                        await anext(chunks)
        proxy.failures = []

        async with within(self.patience, "broken reads keep connections, and no more are left"):
            assert ends(await get(driver, "a")) == ends(data)
        assert proxy.open < 25

    async def test_scan_torn_is_never_short(
        self, driver: Driver, direct: Driver, proxy: FaultProxy
    ) -> None:
        """Maintenance deletes what a listing does not show to be in use."""
        written = [f"a/{number:03d}" for number in range(200)]
        await put_all(direct, written)
        actions: tuple[Action, ...] = ("cut answer", "truncate")
        for action in actions:
            for after in (1, 400, 3000):
                proxy.failures = [Failure(action, after=after)]
                found: list[str] | None = None
                async with within(self.patience, "a listing that broke off does not end"):
                    with suppress(UnavailableError):
                        found = await keys(driver)
                proxy.failures = []

                assert found in (None, written)

    async def _tear(
        self,
        driver: Driver,
        direct: Driver,
        proxy: FaultProxy,
        action: Action,
        places: tuple[int, ...],
    ) -> None:
        data = content(LARGE)
        await put(direct, "a", data)
        for after in places:
            proxy.failures = [Failure(action, "GET", after=after)]
            read = await self._read(driver)
            proxy.failures = []

            assert data.startswith(read)
            assert ends(await get(driver, "a", LARGE - 10)) == ends(data[-10:])

    async def _read(self, driver: Driver) -> bytes:
        """All there is before an UnavailableError; a read without one must be whole."""
        parts: list[bytes] = []
        async with within(self.patience, _HANGS):
            try:
                async with aclosing(driver.read("a")) as chunks:
                    async for chunk in chunks:
                        parts.append(chunk)  # noqa: PERF401 - what came before an error counts
            except UnavailableError:
                return b"".join(parts)
        assert ends(b"".join(parts)) == ends(content(LARGE))
        return b"".join(parts)
