"""Streams out of the store, taken up again where a connection broke."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import aiohttp

from entrepot.core import UnavailableError
from entrepot.drivers.s3.client import header, refused_by
from entrepot.drivers.s3.errors import Refused
from entrepot.drivers.s3.receiving import body
from entrepot.drivers.s3.verbs import Verbs

_AGAIN = 3  # times that a stream may break without a byte between


async def read(verbs: Verbs, key: str, start: int, stop: int | None) -> AsyncGenerator[bytes, None]:
    """Bytes [start, stop) of the object of a driver's key, all of one version of it."""
    if stop is not None and stop <= start:
        return
    reading = _Reading(verbs, key, start, stop)
    broken = 0
    while True:
        at = reading.at
        try:
            async with aclosing(reading.chunks()) as chunks:
                async for chunk in chunks:
                    yield chunk
            return
        except Refused as refused:
            raise refused.error(key) from refused
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            broken = broken + 1 if reading.at == at else 1
            if broken > _AGAIN or not reading.resumable:
                raise refused_by(error).error(key) from error
            await asyncio.sleep(verbs.client.patience.pause * 2**broken)


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
        """What is left. Raises ClientError: if the connection breaks."""
        wanted = _wanted(self.at, self._stop, self._etag)
        try:
            async with self._verbs.get(self._verbs.root + self._key, wanted) as response:
                _check_place(self._key, response, self.at)
                self._etag = header(response, "ETag")
                end = self.at + int(header(response, "Content-Length"))
                end = end if self._stop is None else min(end, self._stop)
                silence = self._verbs.client.patience.silence
                async with aclosing(body(response, end - self.at, silence)) as chunks:
                    async for chunk in chunks:
                        self.at += len(chunk)
                        yield chunk
                if self.at < end:
                    raise aiohttp.ClientPayloadError("short")
        except Refused as refused:
            if refused.status == 416 and not self._etag:
                return  # the object ends here or before
            if refused.status in {404, 412} and self._etag:
                reason = "object was replaced or deleted while it was read"
                raise UnavailableError(self._key, reason) from refused
            raise


def _wanted(start: int, stop: int | None, etag: str) -> dict[str, str]:
    headers: dict[str, str] = {}
    if start or stop is not None:
        headers["range"] = f"bytes={start}-{'' if stop is None else stop - 1}"
    if etag:
        headers["if-match"] = etag
    return headers


def _check_place(key: str, response: aiohttp.ClientResponse, start: int) -> None:
    """Raises UnavailableError: if these are not the bytes that were asked for."""
    if not header(response, "Content-Length"):
        raise UnavailableError(key, "the server does not say how much it sends")
    if response.status == 200 and start == 0:
        return
    if response.status == 206:
        given = header(response, "Content-Range").removeprefix("bytes ").partition("-")[0]
        if given == str(start):
            return
    raise UnavailableError(key, "the server gives another range than was asked for")
