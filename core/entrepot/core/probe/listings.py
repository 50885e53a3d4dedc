"""Checks of listings: their order, and how soon they show what was done."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import perf_counter

from entrepot.core.driver import Driver
from entrepot.core.probe.findings import BrokenError, Outcome, promised
from entrepot.core.probe.place import Place, listed, put, put_all

_NAMES = (
    "0",
    "A",
    "B/1",
    "a",
    "a-b",
    "a.b",
    "aa",
    "ab/c",
    "ab/d/e",
    "b/1",
    "b/2",
    "b_c",
    "c-d",
    "c.d",
    "c/1",
)
_ROUNDS = 5
_LONGEST_LAG = 20.0  # seconds after which a listing that still is wrong will stay so
_PAUSE = 0.1  # between two looks


async def order(place: Place) -> Outcome:
    folder = place.key("order/")
    keys = sorted(folder + name for name in _NAMES)
    await put_all(place.first, reversed(keys))
    for driver in place.both:
        _compare(await listed(driver, folder), keys, "a listing")
        _compare(await listed(driver, folder + "b"), [k for k in keys if "/b" in k], "a prefix")
        past = folder + "a-b"
        _compare(await listed(driver, folder, after=past), [k for k in keys if k > past], "`after`")
        top = sorted({folder + (name[: name.find("/") + 1] or name) for name in _NAMES})
        _compare(await listed(driver, folder, delimiter="/"), top, "a listing of folders")
    return Outcome("by bytes, with prefix, with `after`, by folders")


def _compare(got: Sequence[str], expected: Sequence[str], what: str) -> None:
    if list(got) == list(expected):
        return
    lost, added = set(expected) - set(got), set(got) - set(expected)
    if lost or added:
        short = [name.partition("/order/")[2] or name for name in sorted(lost or added)]
        told = "lacks" if lost else "has, wrongly,"
        raise BrokenError(f"{what} {told} {', '.join(short[:3])} ({len(short)} of {len(expected)})")
    raise BrokenError(f"{what} is not in the order of the keys' bytes")


async def lag(place: Place) -> Outcome:
    folder = place.key("lag/")
    longest = 0.0
    for number in range(_ROUNDS):
        key = f"{folder}{number}"
        await put(place.first, key, b"x")
        longest = max(longest, *[await _wait(d, folder, key, True) for d in place.both])
        await place.first.delete([key])
        longest = max(longest, *[await _wait(d, folder, key, False) for d in place.both])
    figures = {"seconds": longest}
    if longest:
        detail = f"up to {longest:.1f} s; tags and collection may work on what is no longer true"
        return Outcome(detail, figures, "limited")
    return Outcome(f"none in {_ROUNDS} writes and deletes", figures)


async def _wait(driver: Driver, folder: str, key: str, expected: bool) -> float:
    """Seconds until a listing shows a change; 0 if the first one does."""
    if (key in await listed(driver, folder)) is expected:
        return 0.0
    began = perf_counter()
    while (key in await listed(driver, folder)) is not expected:
        what = "was written and is not" if expected else "was deleted and still is"
        late = perf_counter() - began > _LONGEST_LAG
        promised(not late, f"an object {what} listed after {_LONGEST_LAG:.0f} s")
        await asyncio.sleep(_PAUSE)
    return perf_counter() - began
