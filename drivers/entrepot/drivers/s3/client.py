"""Requests to one bucket: signed late, bounded in number and time, tried again with jitter.

botocore's client costs more than a millisecond of processor time for each request; this one
signs and sends by itself, with botocore's credentials to where botocore would send.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from logging import getLogger
from typing import Any

import aiohttp
from yarl import URL

from entrepot.core import AccessError, UnavailableError
from entrepot.drivers.s3.body import EMPTY_HASH, Body, Sending
from entrepot.drivers.s3.errors import Refused, refusal
from entrepot.drivers.s3.session import timeouts
from entrepot.drivers.s3.signing import UNSIGNED, Keys, Place, query_of, signed

_LOG = getLogger(__name__)
_NOTHING: Mapping[str, str] = {}
_SLOWEST = 128 * 1024  # bytes per second below which sending counts as stuck
_REQUEST_ID = "x-amz-request-id"  # RGW's are like tx00000ef222057966de737-006b060c2d-103a-zone
_ERROR_BODY = 64 * 1024
_CALLING = timeouts()  # all of a call is limited by itself: some take the server long


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a request may take: all of it in seconds."""

    attempts: int = 5
    answer: float = 20.0  # for one attempt
    work: float = 300.0  # for one attempt of what the server needs time for
    budget: float = 40.0  # for all attempts; the last one may begin at its very end
    turn: float = 60.0  # until one of the connections is free
    silence: float = 60.0  # without a byte, in the middle of a stream
    pause: float = 0.1  # before the second attempt, doubled for each further one


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]  # names in any case
    body: bytes
    perhaps: bool  # an earlier attempt may have done the same


class Client:
    """All requests of a driver. `keys` gives credentials that are good now."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        place: Place,
        keys: Callable[[], Awaitable[Keys]],
        *,
        connections: int,
        sign_payload: bool,
        patience: Patience | None = None,
        log: bool = False,
    ) -> None:
        self.place = place
        self.patience = patience or Patience()
        self.ordered = True  # until the server shows that it lists keys in another order
        self.exact = False  # RGW completes an upload only with all parts that it was ever sent
        self.session = session
        self._streaming = timeouts(silence=self.patience.silence)
        self._keys = keys
        self._origin = f"{place.scheme}://{place.host}"
        self._requests = asyncio.Semaphore(connections)
        self._streams = asyncio.Semaphore(connections)  # apart, for a stream may wait on requests
        self._sign_payload = sign_payload
        self._log = log

    async def call(
        self,
        method: str,
        key: str | None,
        *,
        query: Mapping[str, str] = _NOTHING,
        headers: Mapping[str, str] = _NOTHING,
        body: Body | None = None,
        works: bool = False,
    ) -> Answer:
        """One request about a key, or about the bucket, until it is answered for good.

        Raises Refused: what the server said, or that it did not answer.
        """
        limit = self.patience.work if works else self.patience.answer
        if body is not None:
            limit += body.size / _SLOWEST
        path, text = self._target(key, query)
        tries = _Tries(self.patience, limit)
        while True:
            try:
                async with self._turn(self._requests), asyncio.timeout(tries.limit()):
                    response = await self._send(tries, method, path, text, headers, body, _CALLING)
                    async with response:
                        data = await self._whole(response, method)
                return Answer(response.status, response.headers, data, tries.perhaps)
            except Exception as error:
                await self._wait(tries, error)

    @asynccontextmanager
    async def stream(
        self, key: str, headers: Mapping[str, str]
    ) -> AsyncGenerator[aiohttp.ClientResponse, None]:
        """An answer to GET of which only the head was received. Closing returns its place."""
        path, text = self._target(key, _NOTHING)
        async with self._turn(self._streams):
            response = await self._opened(path, text, headers)
            try:
                yield response
            finally:
                response.close()

    async def _opened(
        self, path: str, query: str, headers: Mapping[str, str]
    ) -> aiohttp.ClientResponse:
        tries = _Tries(self.patience, self.patience.answer)
        while True:
            try:
                async with asyncio.timeout(tries.limit()):
                    response = await self._send(
                        tries, "GET", path, query, headers, None, self._streaming
                    )
                    if response.status not in {200, 206}:
                        async with response:
                            await self._whole(response, "GET")
                    return response
            except Exception as error:
                await self._wait(tries, error)

    async def _wait(self, tries: _Tries, error: Exception) -> None:
        """Until the next attempt. Raises Refused: if there is none."""
        refused = refused_by(error)
        expired = refused.code.startswith("ExpiredToken")
        if expired and not tries.renewed and await self._keys() != tries.keys:
            tries.renewed = True
            return
        await asyncio.sleep(tries.pause(refused))

    async def _send(
        self,
        tries: _Tries,
        method: str,
        path: str,
        query: str,
        headers: Mapping[str, str],
        body: Body | None,
        limits: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        """Sign at the last moment, then send."""
        if body is None:
            payload = EMPTY_HASH
        else:
            payload = await body.sha256() if self._sign_payload else UNSIGNED
        tries.keys = keys = await self._keys()
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        full = signed(method, self.place, path, query, headers, payload, keys, moment)
        url = URL(f"{self._origin}{path}?{query}" if query else self._origin + path, encoded=True)
        data = None if body is None else Sending(body)
        response = await self.session.request(
            method, url, headers=full, data=data, allow_redirects=False, timeout=limits
        )
        if self._log:
            _LOG.debug("s3 %s %s %s", method, path, response.status)
        return response

    async def _whole(self, response: aiohttp.ClientResponse, method: str) -> bytes:
        """The answer's body. Raises Refused: if the status is none of success."""
        if response.status < 300:
            self.ordered = self.ordered and "SeaweedFS" not in response.headers.get("Server", "")
            self.exact = self.exact or response.headers.get(_REQUEST_ID, "").startswith("tx0")
            return await response.read()
        data = await response.content.read(_ERROR_BODY)
        names = {name.lower(): value for name, value in response.headers.items()}
        raise refusal(response.status, names, data, head=method == "HEAD")

    @asynccontextmanager
    async def _turn(self, places: asyncio.Semaphore) -> AsyncGenerator[None, None]:
        if places.locked():
            try:
                async with asyncio.timeout(self.patience.turn):
                    await places.acquire()
            except TimeoutError as error:
                raise UnavailableError("", "all connections to the server are busy") from error
        else:
            await places.acquire()
        try:
            yield
        finally:
            places.release()

    def _target(self, key: str | None, query: Mapping[str, str]) -> tuple[str, str]:
        path = self.place.path_of(key or "")
        if key is None:
            path = path.rstrip("/") or "/"
        return path, query_of(query) if query else ""


class _Tries:
    """The attempts of one request."""

    __slots__ = ("_count", "_limit", "_patience", "_until", "keys", "perhaps", "renewed")

    def __init__(self, patience: Patience, limit: float) -> None:
        self._patience = patience
        self._limit = limit
        self._until = time.monotonic() + max(patience.budget, limit)
        self._count = 0
        self.keys: Keys | None = None  # what the last attempt was signed with
        self.perhaps = False  # whether an attempt that failed may have been done
        self.renewed = False

    def limit(self) -> float:
        """Seconds for the attempt that begins now."""
        return min(self._limit, max(self._until - time.monotonic(), 1.0))

    def pause(self, refused: Refused) -> float:
        """Seconds before the next attempt. Raises Refused: if there is none."""
        self.perhaps |= refused.perhaps
        refused.perhaps = self.perhaps
        self._count += 1
        if not refused.passes or self._count >= self._patience.attempts:
            raise refused
        spread = random.uniform(0.5, 1.0)  # noqa: S311 - that many do not come back at once
        pause = max(self._patience.pause * (1 << (self._count - 1)) * spread, refused.retry_after)
        if time.monotonic() + pause >= self._until:
            raise refused
        return pause


def refused_by(error: Exception) -> Refused:
    """What a failure of the connection says. Raises any other error as it is."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError):
        raise AccessError("", f"TLS: {error}") from error
    if isinstance(error, aiohttp.ClientConnectorError):
        refused = Refused(0, message=f"cannot connect: {error.os_error or type(error).__name__}")
        refused.perhaps = False
        return refused
    if isinstance(error, TimeoutError):
        return Refused(0, message="no answer in time")
    if isinstance(error, aiohttp.ClientError | OSError):
        return Refused(0, message=f"the connection broke: {type(error).__name__}")
    raise error


def header(answer: Any, name: str) -> str:
    return str(answer.headers.get(name, ""))
