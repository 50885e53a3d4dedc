"""A server that refuses, stalls or is not there: never taken for absence, never for ever."""

from __future__ import annotations

from entrepot.core.driver import Driver
from entrepot.core.errors import AccessError, StorageError, UnavailableError
from entrepot.core.testing.bounds import Bounds
from entrepot.core.testing.material import find, get, keys, within
from entrepot.core.testing.network_calls import (
    CALLS,
    DATA,
    HELD,
    REPEATABLE,
    OpenThrough,
    dishonest,
    forget,
    outcomes,
    prepare,
)
from entrepot.core.testing.proxy import Failure, FaultProxy


class Refusing(Bounds):
    async def test_throttled_for_ever_is_unavailable(
        self, driver: Driver, direct: Driver, proxy: FaultProxy
    ) -> None:
        """Soon enough for the client to be told to come back."""
        await self._fail(driver, direct, proxy, Failure("answer", status=503, retry_after=1))

    async def test_too_many_requests_for_ever_is_unavailable(
        self, driver: Driver, direct: Driver, proxy: FaultProxy
    ) -> None:
        await self._fail(driver, direct, proxy, Failure("answer", status=429, retry_after=1))

    async def test_server_error_for_ever_is_unavailable(
        self, driver: Driver, direct: Driver, proxy: FaultProxy
    ) -> None:
        await self._fail(driver, direct, proxy, Failure("answer", status=500, body=b"<html>oops"))

    async def test_forbidden_is_no_absence(
        self, driver: Driver, direct: Driver, proxy: FaultProxy
    ) -> None:
        """Nobody may push or collect because a key has expired."""
        refusal = Failure("answer", status=403)
        await self._fail(driver, direct, proxy, refusal, AccessError, UnavailableError)

    async def test_stuck_server_is_unavailable(
        self, driver: Driver, direct: Driver, proxy: FaultProxy
    ) -> None:
        await self._fail(driver, direct, proxy, Failure("stall"))

    async def test_dropped_answers_for_ever_are_unavailable(
        self, driver: Driver, direct: Driver, proxy: FaultProxy
    ) -> None:
        await self._fail(driver, direct, proxy, Failure("cut answer", after=0))

    async def test_unreachable_server_is_unavailable(
        self, driver: Driver, direct: Driver, proxy: FaultProxy
    ) -> None:
        await prepare(direct)
        await proxy.refuse()
        found = await outcomes(driver, CALLS, self.patience)
        await proxy.listen()

        assert dishonest(found) == {}
        await self._recovered(driver, direct)
        await forget(direct)

    async def test_opening_at_an_unreachable_server_ends(
        self,
        proxy: FaultProxy,
        direct: Driver,  # which empties the store
        open_through: OpenThrough,
    ) -> None:
        """Refused, or open and then unavailable; the message must come within the patience."""
        await proxy.refuse()
        error: Exception | None = None

        async with within(self.patience, "opening does not end although nobody answers"):
            try:
                async with open_through(proxy.address)() as driver:
                    await driver.stat("a")
            except StorageError as raised:
                error = raised

        assert dishonest({"open": error}, UnavailableError, AccessError) == {}

    async def test_throttling_storm_passes(
        self, driver: Driver, direct: Driver, proxy: FaultProxy
    ) -> None:
        """Calls in the storm succeed or say unavailable; those behind it succeed."""
        await prepare(direct)
        for status in (503, 429):
            proxy.failures = [Failure("answer", status=status, retry_after=1, times=20)]
            found = await outcomes(driver, REPEATABLE, self.patience)
            proxy.failures = []

            raised = {name: end for name, end in found.items() if isinstance(end, Exception)}
            assert dishonest(raised) == {}
            assert found["read"] == DATA or "read" in raised
            assert found["size"] == len(HELD) or "size" in raised
            await self._recovered(driver, direct)
        await forget(direct)

    async def _fail(
        self,
        driver: Driver,
        direct: Driver,
        proxy: FaultProxy,
        failure: Failure,
        *kinds: type[Exception],
    ) -> None:
        """Every call ends with these kinds, and the next one goes through."""
        await prepare(direct)
        failure.times = None
        proxy.failures = [failure]
        found = await outcomes(driver, CALLS, self.patience)
        proxy.failures = []

        assert dishonest(found, *kinds) == {}
        await self._recovered(driver, direct)
        await forget(direct)

    async def _recovered(self, driver: Driver, direct: Driver) -> None:
        found = await outcomes(driver, REPEATABLE, self.patience)

        raised = {name: end for name, end in found.items() if isinstance(end, Exception)}
        assert raised == {}
        assert await get(driver, "a") == await find(direct, "w") == DATA
        assert {"a", "c", "w"} <= set(await keys(driver))
