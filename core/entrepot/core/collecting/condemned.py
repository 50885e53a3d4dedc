"""What pushes heed of the runs under way: what is condemned, and how it escapes.

A push that is about to rely on a key settles it first: afterwards no collector deletes it any
more in the runs that are under way, and whether it is there is what the store says. Pulls
never ask; without a run, a push costs one listing each VISIBLE seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar
from uuid import uuid4

from entrepot.core.collecting import runs
from entrepot.core.collecting.hashed import HashedKeys
from entrepot.core.collecting.runs import RESCUED, Claim, Run
from entrepot.core.collecting.timing import DEAD, LONGEST_PUSH, PATIENCE, REAL, VISIBLE, Timing
from entrepot.core.concurrency import each
from entrepot.core.driver import Driver
from entrepot.core.errors import NotFoundError, UnavailableError
from entrepot.core.listing import exists

ResultT = TypeVar("ResultT")

_TRIES = 4
_LOOK = 0.25  # seconds between two looks whether a collector is done


class _Known:
    """A run's list, and which of its claims no collector is going to act on."""

    def __init__(self, run: Run, index: HashedKeys) -> None:
        self.run = run
        self.index = index
        self.settled: set[int] = set()

    def unsettled(self, keys: Iterable[str]) -> set[int]:
        found = {number for key in keys if (number := self.index.find(key)) is not None}
        return found - self.settled


class Condemned:
    """Shared by all requests of a registry. `timing` is the registry's clock.

    Where a backend cannot create exclusively there are no runs, and nothing is asked.
    """

    def __init__(self, driver: Driver, timing: Timing = REAL) -> None:
        self._driver = driver
        self._timing = timing
        self._known: dict[str, _Known] = {}
        self._seen: float | None = None
        self._looking = asyncio.Lock()

    async def is_any(self) -> bool:
        """Whether a run is under way."""
        return bool(await self._runs())

    async def names(self, key: str) -> bool:
        """Whether a run under way condemned the key, whatever became of that."""
        return any(key in known.index for known in await self._runs())

    async def holds(self, *keys: str) -> bool:
        """Whether one of the keys may be deleted, so that a push must not count on it."""
        for known in await self._runs():
            for number in known.unsettled(keys):
                if not await self._is_settled(known, Claim(number)):
                    return True
        return False

    async def settle(self, keys: Sequence[str]) -> None:
        """Keep collectors from deleting the keys, or wait until they are done with that.

        Raises UnavailableError: if a collector is not done in time.
        """
        for known in await self._runs():
            claims = [Claim(number) for number in sorted(known.unsettled(keys))]

            async def settle(claim: Claim, known: _Known = known) -> None:
                await self._settle(known, claim)

            await each(settle, claims)

    async def promptly(
        self, settle: Callable[[], Awaitable[None]], work: Callable[[], Awaitable[ResultT]]
    ) -> ResultT:
        """What `work` gives, which relies on what `settle` settled just before.

        Both are done again if they took so long that a run may have begun and missed what was
        written; so both must bear repetition, and `work` must look whether all is there still.

        Raises UnavailableError: if it is too slow again and again.
        """
        for _ in range(_TRIES):
            began = self._timing.clock()
            await settle()
            result = await work()
            if self._timing.clock() - began <= LONGEST_PUSH or not self._driver.exclusive_create:
                return result
        raise UnavailableError("", "the store is too slow to push while garbage is collected")

    async def _runs(self) -> Sequence[_Known]:
        """The runs of at most VISIBLE seconds ago."""
        if not self._driver.exclusive_create:
            return ()
        async with self._looking:
            now = self._timing.clock()
            if self._seen is None or now - self._seen > VISIBLE:
                self._known = await self._look()
                self._seen = now
        return tuple(self._known.values())

    async def _look(self) -> dict[str, _Known]:
        found: dict[str, _Known] = {}
        for run, _ in await runs.current(self._driver):
            known = self._known.get(run.id) or await self._load(run)
            if known is not None:
                found[run.id] = known
        return found

    async def _load(self, run: Run) -> _Known | None:
        """None: it is over."""
        try:
            return _Known(run, await runs.read_keys(self._driver, run, run.index))
        except NotFoundError:
            if not await runs.is_current(self._driver, run):
                return None
            raise UnavailableError(run.index, "the list of a collection is lost") from None

    async def _settle(self, known: _Known, claim: Claim) -> None:
        if await runs.create(self._driver, known.run.claim(claim), RESCUED):
            known.settled.add(claim.number)
            if not await runs.is_current(self._driver, known.run):
                await self._driver.delete([known.run.claim(claim)])  # nobody else would for days
            return
        until = self._timing.clock() + PATIENCE
        while not await self._is_settled(known, claim):
            if not await exists(self._driver, known.run.claim(claim)):
                return  # the run is over
            if self._timing.clock() >= until:
                await self._give_up(known, claim)
                return
            await self._timing.pause(_LOOK)

    async def _give_up(self, known: _Known, claim: Claim) -> None:
        if not await self._is_dead(known.run, claim):
            reason = "a collector is deleting it"
            raise UnavailableError(known.run.claim(claim), reason, retry_after=PATIENCE)
        known.settled.add(claim.number)

    async def _is_settled(self, known: _Known, claim: Claim) -> bool:
        if not await self._has_end(known.run, claim):
            return False
        known.settled.add(claim.number)
        return True

    async def _has_end(self, run: Run, claim: Claim) -> bool:
        """Whether no collector acts on a claim any more: it was rescued, or they are done."""
        if await runs.content_of(self._driver, run.claim(claim)) == RESCUED:
            return True
        return await runs.is_done(self._driver, run, claim.batch)

    async def _is_dead(self, run: Run, claim: Claim) -> bool:
        """Whether a claim is so old that its collector cannot act on it any more."""
        try:
            claimed = (await self._driver.stat(run.claim(claim))).modified
        except NotFoundError:  # the run is over
            return True
        return await runs.now(self._driver, uuid4().hex) - claimed > DEAD
