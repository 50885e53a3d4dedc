"""The switch for all replicas of a store: an object that is there while nothing is taken.

That it is there is what counts; what it holds only says why.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from entrepot.core import layout
from entrepot.core.driver import Driver
from entrepot.core.errors import NotFoundError, RegistryError
from entrepot.core.lines import one_line
from entrepot.core.streams import beginning, once

SECONDS = 5.0
"""For how long a replica may go on as it last saw the switch."""

LONGEST_REASON = 500  # characters
_LIMIT = 8192  # bytes; whoever writes more than a reason writes no switch of ours
_LAST = 2.0**35  # seconds since the epoch; nobody switched anything later
_DAMAGED = "the reason cannot be read"


@dataclass(frozen=True, slots=True)
class ReadOnly:
    """Why nothing is taken, and since when, in seconds since the epoch (0: unknown)."""

    reason: str = ""
    since: float = 0.0


async def find(driver: Driver) -> ReadOnly | None:
    """What the switch says now; None: it is off.

    Raises StorageError: if it cannot be read, which says nothing about it.
    """
    try:
        content = await beginning(driver, layout.READ_ONLY, _LIMIT)
    except NotFoundError:
        return None
    return _parsed(content)


async def turn_on(driver: Driver, reason: str, now: float) -> ReadOnly:
    """Durable on return; a replica knows of it `SECONDS` later. Replaces an earlier reason."""
    found = ReadOnly(one_line(reason)[:LONGEST_REASON], now)
    content = json.dumps({"reason": found.reason, "since": found.since})
    await driver.write(layout.READ_ONLY, once(content.encode()))
    return found


async def turn_off(driver: Driver) -> bool:
    """Whether it was on; a replica knows of it `SECONDS` later."""
    was = await find(driver)
    await driver.delete([layout.READ_ONLY])
    return was is not None


class ReadOnlyStoreError(RegistryError):
    """Somebody wants to change a store that is switched to read-only."""

    def __init__(self, found: ReadOnly) -> None:
        why = f" ({found.reason})" if found.reason else ""
        super().__init__(f"the store is read-only{why}; `entrepot readonly off` ends that")


class Switch:
    """The switch as one process sees it, read again when what is known is `seconds` old.

    So whoever asks `seconds` after it was turned gets to know, and most pay nothing for it.
    """

    def __init__(
        self,
        driver: Driver,
        *,
        seconds: float = SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._driver = driver
        self._seconds = seconds
        self._clock = clock
        self._found: ReadOnly | None = None
        self._asked = -float("inf")  # when the store was asked for what is known

    async def find(self) -> ReadOnly | None:
        """What it said, to somebody who asked at most `seconds` before this call.

        Raises StorageError: if it has to be read and cannot.
        """
        now = self._clock()
        if self._asked > now - self._seconds:
            return self._found
        found = await find(self._driver)  # nobody waits for another one's request to fail
        if now > self._asked:
            self._found, self._asked = found, now
        return found

    async def check(self) -> None:
        """Raises ReadOnlyStoreError: if it is on; StorageError."""
        found = await self.find()
        if found is not None:
            raise ReadOnlyStoreError(found)


def _parsed(content: bytes) -> ReadOnly:
    try:
        said: Any = json.loads(content)
        reason, since = str(said["reason"]), float(said["since"])
    except (ValueError, TypeError, KeyError):
        return ReadOnly(_DAMAGED)
    is_moment = 0 < since < _LAST
    return ReadOnly(one_line(reason)[:LONGEST_REASON], since if is_moment else 0.0)
