"""Everything that seems wrong is looked at a second time, when a push under way would be done."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import replace

from entrepot.core import layout
from entrepot.core.driver import Driver
from entrepot.core.errors import NotFoundError, RegistryError, StorageError
from entrepot.core.listing import holds
from entrepot.core.scrubbing.findings import Finding, Problem

Check = Callable[[], Awaitable[list[Problem]]]
"""Looks at one place; may be called again, and then finds what is there by then."""

Told = Callable[[Finding], None]

_WAITING = 1000  # doubts at most; then the oldest is settled at once


class Doubts:
    """Checks that found something, until they are made again `pause` seconds later.

    Only what is wrong then is told. With `repair` it is mended first, where it can be.
    """

    def __init__(self, driver: Driver, told: Told, *, pause: float, repair: bool) -> None:
        self._driver = driver
        self._told = told
        self._pause = pause
        self._repair = repair
        self._waiting: deque[tuple[float, str, Check]] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def oldest(self) -> str | None:
        """The mark of the oldest doubt that waits."""
        return self._waiting[0][1] if self._waiting else None

    async def look(self, check: Check, mark: str = "") -> None:
        """Make a check; `mark` says what was done before it began."""
        if await self._problems(check, mark):
            due = asyncio.get_running_loop().time() + self._pause
            self._waiting.append((due, mark, check))

    async def settle(self, *, all_: bool = False) -> None:
        """Look again at what has waited long enough; `all_`: wait, so that it is everything."""
        now = asyncio.get_running_loop().time
        while self._waiting:
            due, mark, check = self._waiting[0]
            if now() < due:
                if not all_ and len(self._waiting) < _WAITING:
                    return
                await asyncio.sleep(due - now())
            for problem in await self._problems(check, mark):
                await self.end(problem)
            self._waiting.popleft()

    async def look_twice(self, check: Check, mark: str = "") -> list[Problem]:
        """Make a check now and, if need be, again after the pause; gives what is wrong then."""
        if not await self._problems(check, mark):
            return []
        await asyncio.sleep(self._pause)
        return await self._problems(check, mark)

    async def end(self, problem: Problem) -> None:
        """Mend a problem, if that is wanted and possible, and tell."""
        finding = problem.finding
        if self._repair and problem.mend is not None:
            try:
                await problem.mend()
            except RegistryError as error:
                finding = replace(finding, failure=str(error))
            else:
                finding = replace(finding, repaired=True)
        self._told(finding)

    async def _problems(self, check: Check, mark: str) -> list[Problem]:
        """What a check finds. What cannot be read is a finding if the rest of the store can."""
        try:
            return await check()
        except NotFoundError:  # it went while it was looked at: a deletion, or not even that
            return []
        except StorageError as error:
            await holds(self._driver, layout.ROOT)
            return [Problem(Finding("unreadable", error.key, error.reason))]
