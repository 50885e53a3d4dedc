"""Streams out of the store, taken up again where a connection broke."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import httpx2

from entrepot.core import UnavailableError
from entrepot_oss.errors import Refused, broken
from entrepot_oss.options import MIB
from entrepot_oss.verbs import Verbs

_AGAIN = 3  # times that a stream may break without a byte between
_PAUSE = 0.2  # seconds, doubled for each time


async def read(verbs: Verbs, key: str, start: int, stop: int | None) -> AsyncGenerator[bytes, None]:
    """Bytes [start, stop) of the object of a driver's key, all of one version of it."""
    if stop is not None and stop <= start:
        return
    reading = _Reading(verbs, key, start, stop)
    failures = 0
    while True:
        at = reading.at
        try:
            async with aclosing(reading.chunks()) as chunks:
                async for chunk in chunks:
                    yield chunk
            return
        except Refused as refused:
            raise refused.error(key) from refused
        except (httpx2.HTTPError, OSError) as error:
            failures = failures + 1 if reading.at == at else 1
            if failures > _AGAIN or not reading.resumable:
                raise broken(error).error(key) from error
            await asyncio.sleep(_PAUSE * 2 ** (failures - 1))


class _Reading:
    """How far a stream has come, and of which version of the object it is."""

    def __init__(self, verbs: Verbs, key: str, start: int, stop: int | None) -> None:
        self.at = self._start = start
        self._verbs = verbs
        self._key = key
        self._stop = stop
        self._etag = ""

    @property
    def resumable(self) -> bool:
        """Whether what comes next can be known to be of the same version."""
        return bool(self._etag) or self.at == self._start

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """What is left. Raises HTTPError or OSError: if the connection breaks."""
        try:
            async with self._verbs.get(self._verbs.root + self._key, self._wanted()) as response:
                end = self._begin(response)
                async with aclosing(response.aiter_raw(MIB)) as chunks:
                    async for chunk in chunks:
                        self.at += len(chunk)
                        yield chunk
                if self.at < end:
                    raise httpx2.ReadError("the answer is shorter than it said")
        except Refused as refused:
            if refused.status == 416 and not self._etag:
                return  # the object ends here or before
            if self._etag and (refused.absent or refused.status == 412):
                reason = "object was replaced or deleted while it was read"
                raise UnavailableError(self._key, reason) from refused
            raise

    def _wanted(self) -> dict[str, str]:
        headers = {"accept-encoding": "identity"}
        if self.at or self._stop is not None:
            headers["range"] = f"bytes={self.at}-{'' if self._stop is None else self._stop - 1}"
            headers["x-oss-range-behavior"] = "standard"  # else OSS ignores what it cannot give
        if self._etag:
            headers["if-match"] = self._etag
        return headers

    def _begin(self, response: httpx2.Response) -> int:
        """Where what is coming ends.

        Raises UnavailableError: if these are not the bytes that were asked for.
        """
        length = response.headers.get("Content-Length", "")
        given = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
        partial = response.status_code == 206
        if not length or (given != str(self.at) if partial else self.at or self._stop is not None):
            raise UnavailableError(self._key, "OSS gives another range than was asked for")
        self._etag = response.headers.get("ETag", "")
        return self.at + int(length)
