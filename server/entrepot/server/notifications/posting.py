"""One request to a receiver, and what became of it."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from importlib.metadata import version
from types import TracebackType
from typing import Self
from urllib.parse import unquote

import httpx2

_MOST_READ = 64 * 1024  # bytes of an answer, so that the connection can be used again
_READ_SECONDS = 1.0
_HOPS = 3
_SAME_METHOD = (307, 308)


@dataclass(frozen=True, slots=True)
class Outcome:
    """`status` is 0 without an answer; `reason` is for people and holds no secret."""

    status: int = 0
    reason: str = ""

    @property
    def is_delivered(self) -> bool:
        """Success as Distribution means it, except that a redirection with a body is followed."""
        return 200 <= self.status < 400 and self.status not in _SAME_METHOD

    @property
    def label(self) -> str:
        """The status as metrics name it."""
        try:
            return f"{self.status} {HTTPStatus(self.status).phrase}"
        except ValueError:
            return str(self.status)


class Mailbox:
    """A receiver's URL with the headers it wants. For one request at a time."""

    def __init__(self, url: str, headers: Mapping[str, Sequence[str]], seconds: float) -> None:
        self._url, user = _without_user(httpx2.URL(url))
        self._headers = [(name, value) for name, values in headers.items() for value in values]
        given = {name.lower() for name, _ in self._headers}
        if user and "authorization" not in given:
            self._headers.append(("Authorization", user))
        if "user-agent" not in given:
            self._headers.append(("User-Agent", f"entrepot/{version('entrepot')}"))
        self._seconds = seconds
        self._client: httpx2.AsyncClient | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._client is not None:
            await self._client.aclose()

    async def post(self, content_type: str, body: bytes) -> Outcome:
        """Deliver a body. Whatever goes wrong, within the time that it may take, is told."""
        try:
            if self._client is None:  # it reads the authorities trusted: off the loop
                self._client = await asyncio.to_thread(_new_client)
            return await self._post(self._client, content_type, body)
        except TimeoutError:
            return Outcome(reason=f"no answer within {self._seconds:g} s")
        except (httpx2.ConnectError, httpx2.RemoteProtocolError) as error:
            told = str(error)[:200] or "no reason given"
            return Outcome(reason=f"{type(error).__name__}: {told}")
        except Exception as error:  # whatever it is, it must not end the sender
            return Outcome(reason=type(error).__name__)  # its text may hold a header or the URL

    async def _post(self, client: httpx2.AsyncClient, content_type: str, body: bytes) -> Outcome:
        """Follows redirections that keep method and body, on the same host only: the headers
        may be secrets.
        """
        url, status = self._url, 0
        deadline = asyncio.get_running_loop().time() + self._seconds
        for _ in range(_HOPS):
            headers = [*self._headers, ("Content-Type", content_type)]
            request = client.build_request("POST", url, content=body, headers=headers)
            async with asyncio.timeout_at(deadline):
                answer = await client.send(request, stream=True)
            try:
                await _read(answer)
            finally:
                await answer.aclose()
            status, location = answer.status_code, answer.headers.get("location", "")
            if status not in _SAME_METHOD or not location:
                return Outcome(status, f"it answered {Outcome(status).label}")
            url = url.join(location)
            if url.host != self._url.host:
                return Outcome(status, "it sends us to another host; write that URL")
        return Outcome(status, f"it sent us on {_HOPS} times")


def _new_client() -> httpx2.AsyncClient:
    return httpx2.AsyncClient(
        verify=_trusted(),
        timeout=None,  # there is a deadline
        follow_redirects=False,
    )


@cache
def _trusted() -> ssl.SSLContext:
    """What all receivers are verified by; reading it takes tens of milliseconds."""
    return httpx2.create_ssl_context()


async def _read(answer: httpx2.Response) -> None:
    """Read a short body, so that the connection can be used again; any other ends it."""
    size = 0
    with suppress(TimeoutError, httpx2.HTTPError, OSError):
        async with asyncio.timeout(_READ_SECONDS):
            async for chunk in answer.aiter_raw():
                size += len(chunk)
                if size > _MOST_READ:
                    break


def _without_user(url: httpx2.URL) -> tuple[httpx2.URL, str]:
    """The URL without what must not be logged, and that as a header."""
    if not url.userinfo:
        return url, ""
    user = unquote(url.userinfo.decode("ascii")).encode()
    if b":" not in user:
        user += b":"
    return url.copy_with(userinfo=b""), f"Basic {base64.b64encode(user).decode()}"
