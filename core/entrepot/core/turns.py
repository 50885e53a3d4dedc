"""Work that one of several replicas does in each interval, without a lock that could be stuck."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass

from entrepot.core import layout
from entrepot.core.driver import Driver, Entry
from entrepot.core.errors import ExistsError, NotFoundError
from entrepot.core.streams import beginning, once

_TURNS = layout.turns("").removesuffix("/")
_OWNER = 1024  # bytes of a replica's name that are shown


@dataclass(frozen=True, slots=True)
class Turn:
    """The latest turn of some work: who took it, and when, in seconds since the epoch."""

    work: str
    owner: str
    taken: float


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


async def last_turns(driver: Driver) -> list[Turn]:
    """The latest turn of each work that ever had one, by the work's name."""
    latest: dict[str, Entry] = {}
    async with aclosing(driver.scan(_TURNS)) as turns:
        async for turn in turns:
            work = turn.key.removeprefix(_TURNS).rpartition("/")[0]
            if isinstance(turn, Entry) and work:
                latest[work] = turn  # they come in the order of their numbers
    found: list[Turn] = []
    for work, turn in latest.items():
        try:
            owner = await beginning(driver, turn.key, _OWNER)
        except NotFoundError:  # somebody took the next turn
            continue
        found.append(Turn(work, owner.decode("utf-8", "replace"), turn.modified))
    return found
