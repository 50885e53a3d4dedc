"""Requests to one bucket: signed late, bounded in time, sent again where that may help."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import httpx2

from entrepot_oss.credentials import Credentials, Keys
from entrepot_oss.errors import Refused, broken, refusal
from entrepot_oss.options import OssOptions
from entrepot_oss.places import Place
from entrepot_oss.signing import query_of, signer_of

ResultT = TypeVar("ResultT")
_SLOWEST = 128 * 1024  # bytes per second below which sending counts as stuck
_SAID = 64 * 1024  # bytes of a refusal that are looked at
_PAUSE = 0.2  # seconds before the second attempt, doubled for each further one
_LONGEST_PAUSE = 5.0


@dataclass(frozen=True, slots=True)
class Request:
    """One request about the object `name`, or about the bucket if it is empty.

    Names of headers are lower case. `slow` is how many seconds longer than usual OSS may think.
    """

    method: str
    name: str = ""
    query: Mapping[str, str] = field(default_factory=dict[str, str])
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes | None = None
    slow: float = 0.0


@dataclass(frozen=True, slots=True)
class Answer:
    headers: httpx2.Headers
    body: bytes
    perhaps: bool  # an earlier attempt may have done the same


class Client:
    """All requests of a driver."""

    def __init__(
        self, http: httpx2.AsyncClient, place: Place, credentials: Credentials, options: OssOptions
    ) -> None:
        self.place = place
        self._http = http
        self._credentials = credentials
        self._signer = signer_of(options.signatureversion)
        self._timeout = options.timeout
        self._retries = options.retries

    async def call(self, request: Request) -> Answer:
        """Send and read the answer whole.

        Raises Refused: what OSS said, or that it did not answer.
        """

        async def once(keys: Keys, seconds: float) -> tuple[httpx2.Headers, bytes]:
            async with asyncio.timeout(seconds):
                response = await self._begun(request, keys)
                try:
                    return response.headers, await response.aread()
                finally:
                    await response.aclose()

        (headers, body), perhaps = await self._tried(request, once)
        return Answer(headers, body, perhaps)

    @asynccontextmanager
    async def streamed(self, request: Request) -> AsyncGenerator[httpx2.Response, None]:
        """Send, and let the caller read the answer, whose connection goes back with the block."""

        async def once(keys: Keys, seconds: float) -> httpx2.Response:
            async with asyncio.timeout(seconds):
                return await self._begun(request, keys)

        response, _ = await self._tried(request, once)
        try:
            yield response
        finally:
            await response.aclose()

    async def _tried(
        self, request: Request, once: Callable[[Keys, float], Awaitable[ResultT]]
    ) -> tuple[ResultT, bool]:
        """The result, and whether an attempt before may have done the same."""
        seconds = self._timeout + request.slow + len(request.body or b"") / _SLOWEST
        until = time.monotonic() + 2 * seconds
        attempt, renewed, perhaps = 0, False, False
        while True:
            keys = await self._credentials.keys()
            try:
                return await once(keys, seconds), perhaps
            except Exception as error:
                refused = error if isinstance(error, Refused) else broken(error)
            refused.perhaps = perhaps = perhaps or refused.perhaps
            if refused.expired and not renewed and self._credentials.refuse(keys):
                renewed = True
                continue
            pause = _pause(attempt, refused.retry_after)
            late = time.monotonic() + pause > until
            if not refused.passes or attempt >= self._retries or late:
                raise refused
            await asyncio.sleep(pause)
            attempt += 1

    async def _begun(self, request: Request, keys: Keys) -> httpx2.Response:
        """The answer's beginning. Raises Refused: if it is none of success."""
        response = await self._http.send(self._made(request, keys), stream=True)
        if response.status_code < 300:
            return response
        try:
            raise refusal(response.status_code, response.headers, await _beginning(response))
        finally:
            await response.aclose()

    def _made(self, request: Request, keys: Keys) -> httpx2.Request:
        """Signed at the last moment."""
        place, query = self.place, request.query
        headers = self._signer.sign(
            request.method, place, request.name, query, request.headers, keys, time.time()
        )
        body = request.body
        if body is None and request.method in {"PUT", "POST"}:
            body = b""  # or there is no Content-Length
        url = place.url(request.name, query_of(query))
        seconds = self._timeout + request.slow
        limits = httpx2.Timeout(seconds, connect=min(self._timeout, 5.0))
        return self._http.build_request(
            request.method, url, headers=headers, content=body, timeout=limits
        )


async def _beginning(response: httpx2.Response) -> bytes:
    """Of a refusal."""
    said = b""
    async for chunk in response.aiter_bytes():
        said += chunk
        if len(said) >= _SAID:
            break
    return said


def _pause(attempt: int, asked: float) -> float:
    """Seconds before the try behind `attempt`, of which 0 is the first, spread at random.

    At least what OSS asked for, within a bound: the client of the registry waits, too.
    """
    most = min(_PAUSE * 2**attempt, _LONGEST_PAUSE)
    return max(random.uniform(most / 2, most), min(asked, _LONGEST_PAUSE))  # noqa: S311 - no secret
