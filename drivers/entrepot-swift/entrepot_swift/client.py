"""Requests to an account: with a token, sent again where that may help, and never for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import quote

import httpx2

from entrepot.core import StorageError
from entrepot_swift.errors import TRANSIENT, broken, patience, refused
from entrepot_swift.identity import Access
from entrepot_swift.options import SwiftOptions
from entrepot_swift.pausing import pause
from entrepot_swift.session import Session

ResultT = TypeVar("ResultT")
_CONNECT = 5.0  # seconds
_SAID = 2000  # bytes of a refusal that are looked at


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: httpx2.Headers
    body: bytes


@dataclass(frozen=True, slots=True)
class Request:
    """One request about `key`, which is the registry's name for what errors are about.

    `path` is below the account and begins with `/`, unquoted; `slow` is how many seconds longer
    than usual the server may think. Statuses out of `expected` are no errors.
    """

    key: str
    method: str
    path: str
    query: Mapping[str, str] | None = None
    headers: Mapping[str, str] | None = None
    body: bytes = b""
    expected: Collection[int] = (200, 201, 202, 204)
    slow: float = 0.0


class _Again(Exception):  # noqa: N818 - no error yet
    """A try failed in a way that may pass."""

    def __init__(self, failure: StorageError, waiting: float = 0.0) -> None:
        super().__init__(failure)
        self.failure = failure
        self.waiting = waiting


class _TokenRefused(Exception):  # noqa: N818 - no error yet
    """Swift does not know the token, so it has ended before its time."""

    def __init__(self, failure: StorageError) -> None:
        super().__init__(failure)
        self.failure = failure


class Client:
    """Every request here may be sent twice: what it does is the same the second time."""

    def __init__(self, http: httpx2.AsyncClient, session: Session, options: SwiftOptions) -> None:
        self._http = http
        self._session = session
        self._options = options

    async def access(self) -> Access:
        return await self._session.access()

    async def call(self, request: Request) -> Answer:
        """Send and read the answer whole.

        Raises StorageError: by the status, if it is none that was expected, or UnavailableError.
        """

        async def once(access: Access) -> Answer:
            response = await self._begun(request, access)
            try:
                body = await response.aread()
            except httpx2.HTTPError as error:
                raise _Again(broken(request.key, error)) from error
            finally:
                await response.aclose()
            return Answer(response.status_code, response.headers, body)

        return await self._tried(request.key, once)

    @asynccontextmanager
    async def streamed(self, request: Request) -> AsyncGenerator[httpx2.Response, None]:
        """Send, and let the caller read the answer, whose connection goes back with the block."""

        async def once(access: Access) -> httpx2.Response:
            return await self._begun(request, access)

        response = await self._tried(request.key, once)
        try:
            yield response
        finally:
            await response.aclose()

    async def _tried(self, key: str, once: Callable[[Access], Awaitable[ResultT]]) -> ResultT:
        attempt, renewed = 0, False
        while True:
            access = await self._session.access()
            try:
                return await once(access)
            except _TokenRefused as refusal:
                self._session.refuse(access)
                if renewed:
                    raise refusal.failure from None
                renewed = True
            except _Again as again:
                if attempt >= self._options.retries:
                    raise again.failure from again.__cause__
                await asyncio.sleep(pause(attempt, again.waiting))
                attempt += 1

    async def _begun(self, request: Request, access: Access) -> httpx2.Response:
        """The answer's beginning. A status that nobody expected is an error."""
        try:
            response = await self._http.send(self._made(request, access), stream=True)
        except httpx2.HTTPError as error:
            raise _Again(broken(request.key, error)) from error
        if response.status_code in request.expected:
            return response
        failure = refused(request.key, response, await _beginning(response))
        if response.status_code == 401:
            raise _TokenRefused(failure)
        if response.status_code in TRANSIENT:
            raise _Again(failure, patience(response))
        raise failure

    def _made(self, request: Request, access: Access) -> httpx2.Request:
        seconds = self._options.timeout
        return self._http.build_request(
            request.method,
            access.url + quote(request.path, safe="/"),
            params=request.query,
            headers={**(request.headers or {}), "X-Auth-Token": access.token},
            content=request.body if request.body or request.method in {"PUT", "POST"} else None,
            timeout=httpx2.Timeout(
                seconds, connect=min(_CONNECT, seconds), read=seconds + request.slow
            ),
        )


async def _beginning(response: httpx2.Response) -> bytes:
    """Of a refusal; its connection is given back."""
    said = b""
    try:
        async for chunk in response.aiter_bytes():
            said += chunk
            if len(said) >= _SAID:
                break
    except httpx2.HTTPError:
        pass  # the status says enough
    finally:
        await response.aclose()
    return said[:_SAID]
