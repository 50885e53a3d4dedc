"""Reading an object: one request, and more only where the connection breaks."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace

import aiohttp

from entrepot.core import NotFoundError, UnavailableError
from entrepot.drivers.gcs.errors import TransientError
from entrepot.drivers.gcs.names import Names
from entrepot.drivers.gcs.wire import Request, Wire, broken

_CHUNK = 1024 * 1024
_PAST_END = 416
_EXTENT = re.compile(r"bytes (\d+)-(\d+)/\d+")


@dataclass(frozen=True, slots=True)
class Body:
    """An open answer: bytes [start, stop) of a generation of the object."""

    response: aiohttp.ClientResponse
    start: int
    stop: int
    generation: str


class Reading:
    """Streams one object. All of it is of the generation that the first answer had."""

    def __init__(self, wire: Wire, names: Names, key: str) -> None:
        self._wire = wire
        self._key = key
        self._request = Request(
            "GET",
            names.path(key),
            {"alt": "media"},
            {"Accept-Encoding": "gzip"},  # as it is stored, not unpacked on the way
            accepted=frozenset({200, 206, _PAST_END}),
        )

    async def chunks(self, start: int, stop: int | None) -> AsyncGenerator[bytes, None]:
        """Goes on after a failure while every attempt brings something, else not for long."""
        body = await self._open(start, stop)
        failures = 0
        while body is not None:
            try:
                async for chunk in self._drawn(body):
                    start += len(chunk)
                    failures = 0
                    yield chunk
                return
            except TransientError as error:
                failures += 1
                if failures == self._wire.patience.attempts or not body.generation:
                    raise
                await asyncio.sleep(max(error.wait, self._wire.patience.first_delay))
            finally:
                body.response.close()
            body = await self._reopen(body, start)

    async def _drawn(self, body: Body) -> AsyncGenerator[bytes, None]:
        """The body in chunks of about 1 MiB, and not one byte less than was promised."""
        held: list[bytes] = []
        size, missing = 0, body.stop - body.start
        while missing:
            chunk = await self._read(body.response, min(missing, _CHUNK - size))
            held.append(chunk)
            size += len(chunk)
            missing -= len(chunk)
            if size == _CHUNK or not missing:
                yield held[0] if len(held) == 1 else b"".join(held)
                held, size = [], 0

    async def _read(self, response: aiohttp.ClientResponse, most: int) -> bytes:
        try:
            async with asyncio.timeout(self._wire.patience.answer):
                chunk = await response.content.read(most)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise broken(self._key, error) from error
        if not chunk:
            raise TransientError(self._key, "the backend sent less than it promised")
        return chunk

    async def _open(self, start: int, stop: int | None, generation: str = "") -> Body | None:
        """None if there is nothing in the range."""
        request = self._request
        if start or stop is not None:
            extent = f"bytes={start}-{'' if stop is None else stop - 1}"
            request = replace(request, headers={**request.headers, "Range": extent})
        if generation:
            request = replace(request, params={**request.params, "generation": generation})
        response = await self._wire.open(self._key, request)
        try:
            return self._described(response, start, stop)
        except BaseException:
            response.close()
            raise

    async def _reopen(self, body: Body, start: int) -> Body | None:
        if start == body.stop:
            return None
        try:
            return await self._open(start, body.stop, body.generation)
        except NotFoundError as error:
            reason = "object was replaced or deleted while it was read"
            raise UnavailableError(self._key, reason) from error

    def _described(
        self, response: aiohttp.ClientResponse, start: int, stop: int | None
    ) -> Body | None:
        if response.status == _PAST_END:
            response.close()
            return None
        found = _EXTENT.fullmatch(response.headers.get("Content-Range", ""))
        length = response.content_length
        if response.status == 206 and found is not None:
            first, end = int(found[1]), int(found[2]) + 1
        elif response.status == 200 and length is not None and not start:
            first, end = 0, length
        else:
            raise UnavailableError(self._key, "the backend sends another range than was asked for")
        if first != start or (stop is not None and end > stop):
            raise UnavailableError(self._key, "the backend sends another range than was asked for")
        return Body(response, start, end, response.headers.get("X-Goog-Generation", ""))
