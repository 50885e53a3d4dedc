"""Checks of uploads: in parts of every size, by two instances, to their end or abandoned."""

from __future__ import annotations

from time import perf_counter

from entrepot.core.errors import OffsetError
from entrepot.core.listing import exists
from entrepot.core.probe.findings import BrokenError, Outcome, promised
from entrepot.core.probe.place import LARGE, MIB, Place, content, get, listed, pieces, same

_PARTS = (1, 6 * MIB, 300_000, 5 * MIB, 0, 17)  # past, at and far below what backends take


async def part_sizes(place: Place) -> Outcome:
    """Each part by the other instance, as if every request reached another replica."""
    data, at = content(LARGE, seed=1), 0
    began = perf_counter()
    for number, size in enumerate(_PARTS):
        driver = place.both[number % len(place.both)]
        upload = place.upload(driver, "parts")
        held = await upload.size()
        promised(held == at, f"an upload of {at} bytes has {held} for the next instance")
        at = await upload.append(pieces(data[at : at + size]), at)
    key = place.key("assembled")
    entry = await place.upload(place.first, "parts").commit(key, at)
    seconds = perf_counter() - began
    promised(entry.size == at, f"an upload of {at} bytes became an object of {entry.size}")
    same(await get(place.other, key), data[:at], "reading a committed upload")
    await _nothing_left(place, "parts")
    who = "two instances in turn" if place.shared else "one instance"
    detail = f"{len(_PARTS)} parts, empty to 6 MiB, by {who} in {seconds:.1f} s"
    return Outcome(detail, {"seconds": seconds, "bytes": float(at)})


async def small_appends(place: Place) -> Outcome:
    data = content(20 * 1000, seed=2)
    upload = place.upload(place.first, "small")
    for at in range(0, len(data), 1000):
        await upload.append(pieces(data[at : at + 1000]), at)
    key = place.key("small")
    await upload.commit(key, len(data))
    same(await get(place.other, key), data, "reading an upload of small appends")
    return Outcome("20 of 1000 bytes, joined in order")


async def wrong_offset(place: Place) -> Outcome:
    upload = place.upload(place.first, "offset")
    await upload.append(pieces(b"0123456789"), 0)
    again = place.upload(place.other, "offset")
    for offset in (0, 5, 11):
        try:
            await again.append(pieces(b"x"), offset)
        except OffsetError:
            continue
        raise BrokenError(f"an append at {offset} of an upload of 10 bytes was taken")
    held = await again.size()
    promised(held == 10, f"refused appends left {held} bytes of 10")
    await again.abort()
    return Outcome("refused, the upload is as it was")


async def abort(place: Place) -> Outcome:
    upload = place.upload(place.first, "aborted")
    await upload.append(pieces(content(6 * MIB)), 0)
    await place.upload(place.other, "aborted").abort()
    held = await place.upload(place.first, "aborted").size()
    promised(held == 0, f"an aborted upload holds {held} bytes")
    await _nothing_left(place, "aborted")
    await place.upload(place.first, "aborted").abort()
    return Outcome("nothing is left; twice is no error")


async def _nothing_left(place: Place, name: str) -> None:
    token = place.key(f"uploads/{name}")
    promised(not await exists(place.first, token), "an ended upload left an object")
    left = await listed(place.first, f"{token}/")
    promised(not left, f"an ended upload left {len(left)} objects")
