"""Work that one of several replicas does in each interval, without a lock that could be stuck."""

from __future__ import annotations

from contextlib import aclosing

from entrepot.core import layout
from entrepot.core.driver import Driver
from entrepot.core.errors import ExistsError
from entrepot.core.streams import once


async def take_turn(driver: Driver, work: str, interval: float, now: float, owner: str) -> bool:
    """Whether this replica does the work in the interval of `now`; both are seconds.

    Exactly one of those that ask in an interval of the clock is told so, where the backend
    creates exclusively; elsewhere it may be several, so the work must bear that. Who dies in
    the middle leaves the work to the next interval.
    """
    number = int(now // interval)
    prefix = layout.turns(work)
    key = f"{prefix}{number:012d}"
    try:
        await driver.write(key, once(owner.encode()), create=True)
    except ExistsError:
        return False
    async with aclosing(driver.scan(prefix)) as turns:
        earlier = [turn.key async for turn in turns if turn.key < key]
    await driver.delete(earlier)
    return True
