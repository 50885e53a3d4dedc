"""Checks of what clients get past the registry, and of the backend's clock."""

from __future__ import annotations

import asyncio
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from entrepot.core.probe.findings import BrokenError, Outcome, promised
from entrepot.core.probe.place import SMALL, Place, content, put, same

_SECONDS = 300  # that a link is good for
_TIMEOUT = 20.0  # of a request to a link
_SKEW = 5.0  # seconds of difference that matter to nothing
_WORST_SKEW = 600.0  # past it, expiry by age and signatures go wrong


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    length: str
    body: bytes


async def link_get(place: Place) -> Outcome:
    url = await _link(place, "GET")
    if url is None:
        return Outcome("streamed through the registry", result="none")
    data = content(SMALL)
    whole = await asyncio.to_thread(_fetch, url, "GET", {})
    promised(whole.status == 200, f"a GET was answered {whole.status}")
    same(whole.body, data, "a link")
    part = await asyncio.to_thread(_fetch, url, "GET", {"Range": "bytes=10-19"})
    promised(part.status == 206, f"a GET with Range was answered {part.status}, not 206")
    same(part.body, data[10:20], "a link with Range")
    return Outcome("whole, and with Range")


async def link_head(place: Place) -> Outcome:
    url = await _link(place, "HEAD")
    if url is None:
        return Outcome("answered by the registry", result="none")
    answer = await asyncio.to_thread(_fetch, url, "HEAD", {})
    promised(answer.status == 200, f"a HEAD was answered {answer.status}")
    promised(answer.length == str(SMALL), f"{SMALL} bytes were told as {answer.length or 'none'}")
    return Outcome("tells the size")


async def local_file(place: Place) -> Outcome:
    key, data = place.key("linked"), content(SMALL)
    await put(place.first, key, data)
    path = place.first.local_path(key)
    if path is None:
        return Outcome("the driver has no local files", result="none")
    same(await asyncio.to_thread(Path(path).read_bytes), data, "the file itself")
    return Outcome("holds the bytes; the server sends it by itself")


async def clock(place: Place) -> Outcome:
    """The store's time of a write against ours; a coarse clock there may be a second behind."""
    before = time.time()
    written = await put(place.first, place.key("clock"), b"x")
    after = time.time()
    found = await place.other.stat(place.key("clock"))
    seconds = max((_off(entry.modified, before, after) for entry in (written, found)), key=abs)
    figures = {"seconds": seconds}
    detail = f"the store's clock is {abs(seconds):.1f} s {'ahead' if seconds > 0 else 'behind'}"
    if abs(seconds) > _WORST_SKEW:
        raise BrokenError(f"{detail}: uploads and garbage expire by it; a time zone, perhaps?")
    if abs(seconds) > _SKEW:
        return Outcome(f"{detail}; set it by NTP", figures, "limited")
    return Outcome("agrees with this machine's" if abs(seconds) < 1 else detail, figures)


def _off(modified: float, before: float, after: float) -> float:
    return max(0.0, modified - after) - max(0.0, before - modified - 1)


async def _link(place: Place, method: Literal["GET", "HEAD"]) -> str | None:
    key = place.key("linked")
    await put(place.first, key, content(SMALL))
    return await place.first.link(key, method, _SECONDS)


def _fetch(url: str, method: str, headers: dict[str, str]) -> _Answer:
    """What a client gets that knows nothing but the URL, which errors do not repeat."""
    if not url.startswith(("http://", "https://")):
        raise BrokenError("a link is neither http nor https")
    request = urllib.request.Request(url, method=method, headers=headers)  # noqa: S310 - checked
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as got:  # noqa: S310 - checked
            return _Answer(got.status, got.headers.get("Content-Length", ""), got.read(2 * SMALL))
    except urllib.error.HTTPError as error:
        with error:
            return _Answer(error.code, "", b"")
    except urllib.error.URLError as error:
        raise BrokenError(f"a link cannot be followed from here: {error.reason}") from None
    except OSError as error:
        raise BrokenError(f"a link cannot be followed from here: {error}") from None
