"""Checks in the background: each again and again, none for longer than its time-out."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from entrepot.server.health.probes import Probe, UnhealthyError
from entrepot.server.health.status import Health

_LOG = logging.getLogger("entrepot.server.health")
_SPREAD = 0.1  # of an interval, so that replicas do not all look at the same moment
_END = 5.0  # seconds that a look under way has to end when the registry does


@dataclass(frozen=True, slots=True)
class Check:
    """Times are seconds. `threshold` failures in a row make the registry unhealthy."""

    name: str
    probe: Probe
    interval: float
    threshold: int
    timeout: float


Sleep = Callable[[float], Awaitable[None]]


class Watch:
    """One check at work."""

    def __init__(self, check: Check, health: Health, sleep: Sleep = asyncio.sleep) -> None:
        self._check = check
        self._health = health
        self._sleep = sleep
        self._looking: asyncio.Task[None] | None = None
        self._failures = 0
        self._is_red = False
        health.expect(check.name)

    async def run(self) -> None:
        """Look until cancelled, at once for the first time."""
        while True:
            await self.look()
            spread = random.uniform(1 - _SPREAD, 1 + _SPREAD)  # noqa: S311 - no secret
            await self._sleep(self._check.interval * spread)

    async def look(self) -> None:
        """Look once; what does not end in time has failed, and is not begun a second time."""
        try:
            await self._probe()
        except UnhealthyError as error:
            self._failed(str(error), error.cause)
        except Exception as error:
            _LOG.debug("health check %s", self._check.name, exc_info=error)
            self._failed("the check itself failed", type(error).__name__)
        else:
            self._passed()

    async def end(self) -> None:
        """Wait some time for a look that is under way."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait([self._looking], timeout=_END)

    async def _probe(self) -> None:
        if self._looking is not None and not await self._ends(self._looking):
            raise UnhealthyError(f"still no answer after {self._check.timeout:g} seconds")
        self._looking = asyncio.ensure_future(self._check.probe())
        self._looking.add_done_callback(_retrieved)
        if not await self._ends(self._looking):
            self._looking.cancel()
            raise UnhealthyError(f"no answer within {self._check.timeout:g} seconds")
        self._looking.result()

    async def _ends(self, looking: asyncio.Task[None]) -> bool:
        await asyncio.wait([looking], timeout=self._check.timeout)
        return looking.done()

    def _failed(self, told: str, cause: str) -> None:
        self._failures += 1
        if self._failures < self._check.threshold:
            _LOG.debug("health check %s: %s", self._check.name, cause or told)
            return
        if not self._is_red:
            more = f" ({cause})" if cause else ""
            _LOG.error("health check %s fails: %s%s", self._check.name, told, more)
            self._is_red = True
        self._health.report(self._check.name, told)

    def _passed(self) -> None:
        self._failures = 0
        if self._is_red:
            _LOG.warning("health check %s is well again", self._check.name)
            self._is_red = False
        self._health.report(self._check.name, None)


def _retrieved(looking: asyncio.Task[None]) -> None:
    """Also of a look that nobody waits for any more the error is taken."""
    if not looking.cancelled():
        looking.exception()


@asynccontextmanager
async def watching(
    checks: Sequence[Check], health: Health, sleep: Sleep = asyncio.sleep
) -> AsyncGenerator[None, None]:
    """All checks at work, side by side."""
    watches = [Watch(check, health, sleep) for check in checks]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(watch.run()) for watch in watches]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*(watch.end() for watch in watches))
