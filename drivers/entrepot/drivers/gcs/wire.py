"""Requests to the JSON API: signed late, bounded in number and time, tried again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import aiohttp
from yarl import URL

from entrepot.core import UnavailableError
from entrepot.drivers.gcs.credentials import Authority
from entrepot.drivers.gcs.errors import TransientError, answered
from entrepot.drivers.gcs.patience import Patience, persistently

_BUFFER = 512 * 1024  # bytes at which a body that is read makes the backend wait
_OK = frozenset({200, 201, 204})


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `path` is behind the endpoint, or a whole URL; `accepted` are its answers."""

    method: str
    path: str = field(repr=False)  # that of an upload session is a secret
    params: Mapping[str, str] = field(default_factory=dict[str, str])
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: Sequence[bytes] = ()
    accepted: frozenset[int] = _OK
    seconds: float = 0.0  # of one attempt; 0: the usual


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self, key: str) -> dict[str, Any]:
        try:
            found: Any = json.loads(self.body)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise TransientError(key, "the answer is not JSON")
        return found  # pyright: ignore[reportUnknownVariableType] - Any inside


class Wire:
    """The one way to the backend. `session` does not follow redirects and does not decode."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        location: str,
        authority: Authority,
        *,
        useragent: str,
        calls: int,
        patience: Patience,
    ) -> None:
        self.location = location
        self.patience = patience
        self._session = session
        self._authority = authority
        self._useragent = useragent
        self._slots = asyncio.Semaphore(calls)

    async def ask(self, key: str, request: Request) -> Answer:
        """The answer, after as many attempts as it takes."""
        return await persistently(self.patience, lambda _: self.once(key, request))

    async def once(self, key: str, request: Request) -> Answer:
        """The answer of one attempt. Raises TransientError: if another one may succeed."""
        async with self._slot(key):
            response = await self._authorized(key, request)
            return Answer(response.status, response.headers, await self._body(key, response))

    async def open(self, key: str, request: Request) -> aiohttp.ClientResponse:
        """The answer with its body still to be read; the caller closes it."""

        async def attempt(_: int) -> aiohttp.ClientResponse:
            async with self._slot(key):
                return await self._authorized(key, request)

        return await persistently(self.patience, attempt)

    async def _authorized(self, key: str, request: Request) -> aiohttp.ClientResponse:
        """An answer that is accepted, with other credentials if these have just ended."""
        headers = await self._authority.headers()
        response = await self._send(key, request, headers)
        if response.status == 401:
            await self._body(key, response)
            await self._authority.renew(headers.get("authorization", "").removeprefix("Bearer "))
            response = await self._send(key, request, await self._authority.headers())
        if response.status in request.accepted:
            return response
        body = await self._body(key, response)
        raise answered(key, response.status, response.headers, body)

    async def _send(
        self, key: str, request: Request, headers: Mapping[str, str]
    ) -> aiohttp.ClientResponse:
        whole = {
            "Accept-Encoding": "identity",
            "User-Agent": self._useragent,
            **({"Content-Length": str(sum(map(len, request.body)))} if request.body else {}),
            **request.headers,
            **headers,
        }
        url = request.path if "://" in request.path else self.location + request.path
        if request.params:
            url += "?" + "&".join(f"{n}={quote(v, safe='')}" for n, v in request.params.items())
        try:
            async with asyncio.timeout(request.seconds or self.patience.answer):
                return await self._session.request(
                    request.method,
                    URL(url, encoded=True),
                    headers=whole,
                    data=_stream(request.body) if request.body else None,
                    allow_redirects=False,
                    read_bufsize=_BUFFER,
                )
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise broken(key, error) from error

    async def _body(self, key: str, response: aiohttp.ClientResponse) -> bytes:
        try:
            async with asyncio.timeout(self.patience.answer):
                return await response.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise broken(key, error) from error
        finally:
            response.close()

    @asynccontextmanager
    async def _slot(self, key: str) -> AsyncGenerator[None, None]:
        """One of the requests that may be under way; signed only when its turn has come."""
        try:
            async with asyncio.timeout(self.patience.total):
                await self._slots.acquire()
        except TimeoutError as error:
            raise UnavailableError(key, "too many requests wait for the bucket") from error
        try:
            yield
        finally:
            self._slots.release()


def broken(key: str, error: Exception) -> TransientError:
    """What became of the connection. The error's own text may hold a URL, so it is not shown."""
    if isinstance(error, TimeoutError):
        return TransientError(key, "the backend does not answer in time")
    if isinstance(error, aiohttp.ClientConnectorError):
        return TransientError(key, f"cannot connect to {error.host}:{error.port}")
    return TransientError(key, f"the connection broke ({type(error).__name__})")


async def _stream(body: Sequence[bytes]) -> AsyncGenerator[bytes, None]:
    for part in body:
        yield part
