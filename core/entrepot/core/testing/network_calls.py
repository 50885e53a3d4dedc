"""One call of each kind, on a store prepared for it, and what may come out when it fails."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from entrepot.core.driver import Driver
from entrepot.core.errors import DeleteError, UnavailableError
from entrepot.core.testing.material import (
    content,
    folder,
    get,
    keys,
    pieces,
    put,
    within,
)
from entrepot.core.testing.suite import Opening

OpenThrough = Callable[[str], Opening]
"""Given an address, `host:port`, an opening of the driver whose server is there."""

Call = Callable[[Driver], Awaitable[object]]

_BEGUN = "u/begun"
DATA = content(2000)  # of the object `a`
HELD = content(1000, seed=1)  # by the upload _BEGUN

REPEATABLE: dict[str, Call] = {
    "stat": lambda driver: driver.stat("a"),
    "read": lambda driver: get(driver, "a"),
    "read a range": lambda driver: get(driver, "a", 10, 20),
    "write": lambda driver: put(driver, "w", DATA),
    "delete": lambda driver: driver.delete(["d"]),
    "scan": keys,
    "scan a folder": folder,
    "copy": lambda driver: driver.copy("a", "c"),
    "size": lambda driver: driver.upload(_BEGUN).size(),
}
_ONCE: dict[str, Call] = {
    "create": lambda driver: put(driver, "new", DATA, create=True),
    "move": lambda driver: driver.move("m", "n"),
    "first append": lambda driver: driver.upload("u/new").append(pieces(DATA), 0),
    "append": lambda driver: driver.upload(_BEGUN).append(pieces(DATA), len(HELD)),
    "commit": lambda driver: driver.upload("u/whole").commit("b", len(HELD)),
    "abort": lambda driver: driver.upload("u/other").abort(),
}
CALLS: dict[str, Call] = REPEATABLE | _ONCE


async def prepare(direct: Driver) -> None:
    """What the calls need to succeed."""
    for key in ("a", "d", "m"):
        await put(direct, key, DATA)
    for token in (_BEGUN, "u/whole", "u/other"):
        await direct.upload(token).append(pieces(HELD), 0)


async def forget(direct: Driver) -> None:
    """End the uploads, of which a scan need not show anything."""
    for token in (_BEGUN, "u/whole", "u/other", "u/new"):
        await direct.upload(token).abort()


async def outcomes(driver: Driver, calls: dict[str, Call], patience: float) -> dict[str, object]:
    """Make all calls at once; what each gives or raises."""
    async with within(patience, "a call does not end although the server is in trouble"):
        results = await asyncio.gather(
            *(_called(call, driver) for call in calls.values()), return_exceptions=True
        )
    return dict(zip(calls, results, strict=True))


async def _called(call: Call, driver: Driver) -> object:
    return await call(driver)


def dishonest(found: Mapping[str, object], *kinds: type[Exception]) -> dict[str, object]:
    """The outcomes that are no errors of these kinds, by default UnavailableError."""
    allowed = kinds or (UnavailableError,)
    return {name: each for name, each in found.items() if not _is(each, allowed)}


def _is(outcome: object, kinds: tuple[type[Exception], ...]) -> bool:
    if isinstance(outcome, DeleteError):
        return all(isinstance(failure, kinds) for failure in outcome.failures.values())
    return isinstance(outcome, kinds)
