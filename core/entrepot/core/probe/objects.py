"""Checks of whole objects: reading, writing, creating, deleting, copying."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from time import perf_counter

from entrepot.core.driver import Driver
from entrepot.core.errors import ExistsError, NotFoundError
from entrepot.core.listing import exists
from entrepot.core.probe.findings import BrokenError, Outcome, promised
from entrepot.core.probe.place import (
    LARGE,
    MIB,
    SMALL,
    Place,
    content,
    get,
    put,
    same,
)

_RIVALS = 16
_LONGEST_CHUNK = 8 * MIB
_LONGEST_LAG = 5.0  # seconds in which a second instance may come to see what was written
_PAUSE = 0.1  # between two looks


async def read_after_write(place: Place) -> Outcome:
    key, data = place.key("object"), content(SMALL)
    began = perf_counter()
    entry = await put(place.first, key, data)
    written = perf_counter()
    same(await get(place.first, key), data, "reading what was just written")
    read = perf_counter()
    size = (await place.first.stat(key)).size
    promised(entry.size == size == SMALL, f"the size of {SMALL} bytes was told as {size}")
    figures = {"write_seconds": written - began, "read_seconds": read - written}
    return Outcome(f"written in {_ms(written - began)}, read in {_ms(read - written)}", figures)


async def second_instance(place: Place) -> Outcome:
    key, data = place.key("object"), content(SMALL)
    began = perf_counter()
    while not await exists(place.second, key):
        if perf_counter() - began > _LONGEST_LAG:
            place.shared = False
            detail = "the store is not shared: use one worker and one replica only"
            return Outcome(detail, result="limited")
        await asyncio.sleep(_PAUSE)
    lag = perf_counter() - began
    promised(lag < _PAUSE or await exists(place.second, key), "an object came and went")
    if lag >= _PAUSE:
        raise BrokenError(f"another instance saw the object {lag:.1f} s late only")
    same(await get(place.second, key), data, "reading by another instance")
    return Outcome("sees at once what the first one wrote")


async def overwrite(place: Place) -> Outcome:
    key = place.key("object")
    for seed, size in enumerate((SMALL + 10, 100, 0, 7), start=1):
        data = content(size, seed)
        await put(place.first, key, data)
        for driver in place.both:
            same(await get(driver, key), data, "reading an object that was replaced")
            told = (await driver.stat(key)).size
            promised(told == size, f"replaced by {size} bytes, its size was told as {told}")
    return Outcome("seen at once, longer, shorter and empty")


async def missing(place: Place) -> Outcome:
    key = place.key("nothing/here")
    for driver in place.both:
        promised(not await exists(driver, key), "an object is there that nobody wrote")
        try:
            await get(driver, key)
        except NotFoundError:
            continue
        raise BrokenError("reading an object that does not exist gave no error")
    return Outcome("told as not found")


async def ranges(place: Place) -> Outcome:
    key, data = place.key("ranges"), content(SMALL)
    await put(place.first, key, data)
    asked: list[tuple[int, int | None]] = [
        (0, 1),
        (SMALL - 1, SMALL),
        (10, 20),
        (SMALL - 5, SMALL + 100),
        (7, None),
        (0, SMALL),
        (5, 5),
        (SMALL, None),
    ]
    for start, stop in asked:
        got = await get(place.first, key, start, stop)
        same(got, data[start:stop], f"bytes {start} up to {'the end' if stop is None else stop}")
    return Outcome(f"{len(asked)} kinds, first and last byte and past the end among them")


async def large_object(place: Place) -> Outcome:
    key, data = place.key("large"), content(LARGE)
    began = perf_counter()
    await put(place.first, key, data)
    written = perf_counter()
    chunks: list[bytes] = []
    async with aclosing(place.other.read(key)) as reading:
        async for chunk in reading:
            promised(len(chunk) <= _LONGEST_CHUNK, f"a chunk has {len(chunk)} bytes, 8 MiB at most")
            chunks.append(chunk)
    read = perf_counter()
    same(b"".join(chunks), data, f"reading {LARGE} bytes")
    middle = (5 * MIB - 3, 9 * MIB + 3)
    same(await get(place.first, key, *middle), data[slice(*middle)], "a range of several parts")
    speeds = {
        "write_bytes_per_second": LARGE / (written - began),
        "read_bytes_per_second": LARGE / (read - written),
    }
    write, read_ = (value / MIB for value in speeds.values())
    return Outcome(f"12 MiB written at {write:.0f} MiB/s, read at {read_:.0f} MiB/s", speeds)


async def concurrent_creates(place: Place) -> Outcome:
    """Who competes has content of its own, so that a mixture would be seen."""
    key = place.key("prize")
    drivers = [place.both[number % len(place.both)] for number in range(_RIVALS)]
    outcomes = await asyncio.gather(
        *(_create(driver, key, content(SMALL, seed)) for seed, driver in enumerate(drivers))
    )
    winners = [seed for seed, won in enumerate(outcomes) if won]
    figures = {"winners": float(len(winners)), "rivals": float(_RIVALS)}
    promised(bool(winners), f"none of {_RIVALS} creates at once succeeded")
    if not place.first.exclusive_create:
        detail = (
            f"the driver cannot create exclusively ({len(winners)} of {_RIVALS} won this time); "
            "what needs one winner is refused"
        )
        return Outcome(detail, figures, "limited")
    promised(len(winners) == 1, f"{len(winners)} of {_RIVALS} creates at once succeeded, not one")
    same(await get(place.other, key), content(SMALL, winners[0]), "reading what the winner wrote")
    return Outcome(f"one of {_RIVALS} succeeded, and its bytes are there", figures)


async def create_existing(place: Place) -> Outcome:
    key = place.key("taken")
    await put(place.first, key, b"first")
    for driver in place.both:
        promised(not await _create(driver, key, b"later"), "create replaced an existing object")
    same(await get(place.first, key), b"first", "reading after a refused create")
    return Outcome("refused, the object is as it was")


async def _create(driver: Driver, key: str, data: bytes) -> bool:
    try:
        await put(driver, key, data, create=True)
    except ExistsError:
        return False
    return True


async def delete(place: Place) -> Outcome:
    keys = [place.key(f"delete/{number}") for number in range(20)]
    for key in keys:
        await put(place.first, key, b"x")
    await place.first.delete([*keys, place.key("delete/never-there")])
    for driver in place.both:
        for key in keys:
            promised(not await exists(driver, key), "an object is there after it was deleted")
    await place.other.delete(keys)
    return Outcome("seen at once; twice, and of what is missing, is no error")


async def copy_and_move(place: Place) -> Outcome:
    source, copied, moved = (place.key(name) for name in ("large", "copied", "moved"))
    began = perf_counter()
    await place.first.copy(source, copied)
    seconds = perf_counter() - began
    same(await get(place.other, copied), content(LARGE), "reading a copy")
    await place.first.move(copied, moved)
    same(await get(place.other, moved), content(LARGE), "reading what was moved")
    promised(not await exists(place.other, copied), "what was moved is also where it was")
    return Outcome(f"complete on return; 12 MiB copied in {_ms(seconds)}", {"seconds": seconds})


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 10 else f"{seconds:.1f} s"
