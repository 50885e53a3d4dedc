"""One request to Azure, signed by its SDK: bounded, tried again, its answer judged."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.utils import formatdate, parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode

from azure.core.exceptions import AzureError
from azure.core.pipeline import AsyncPipeline, PipelineRequest
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.core.rest import AsyncHttpResponse, HttpRequest
from entrepot.core import AccessError, StorageError, UnavailableError
from entrepot.drivers.azure.errors import (
    code_of,
    error_of,
    is_temporary,
    retry_after,
    unanswered,
)
from entrepot.drivers.azure.names import Names
from entrepot.drivers.azure.patience import Patience

VERSION = "2021-12-02"
"""The service's version that all requests but one name; emulators and other clouds know it."""

_READS = 4  # streams for each other request: they wait for clients, not for Azure

Pipeline = AsyncPipeline[HttpRequest, AsyncHttpResponse]


class StampPolicy(SansIOHTTPPolicy[HttpRequest, AsyncHttpResponse]):
    """Dates a request when it is sent: a signature is good for 15 minutes from then."""

    def on_request(self, request: PipelineRequest[HttpRequest]) -> None:
        request.http_request.headers["x-ms-date"] = formatdate(usegmt=True)


@dataclass(frozen=True, slots=True)
class Request:
    """What to ask. `key` names the object in errors; "" with `url` is about the container."""

    method: str
    key: str
    query: Mapping[str, str] = field(default_factory=dict[str, str])
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: Sequence[bytes | memoryview] | None = None  # each try sends it from the beginning
    accept: frozenset[str] = frozenset()  # Azure's codes that are no error
    copies: bool = False  # Azure needs time for it
    container: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]  # their names in any case
    body: bytes

    @property
    def code(self) -> str:
        """Azure's name for what is wrong; empty if nothing is."""
        return code_of(self.headers) if self.status >= 300 else ""

    @property
    def etag(self) -> str:
        return self.headers["etag"]

    @property
    def modified(self) -> float:
        return _seconds(self.headers["last-modified"])

    @property
    def date(self) -> float:
        """Azure's time when it answered."""
        return _seconds(self.headers["date"])


class Requests:
    """Sends requests to one container. All tasks of an event loop share it."""

    def __init__(self, pipeline: Pipeline, names: Names, patience: Patience, width: int) -> None:
        self.names = names
        self.count = 0  # sent since the beginning, tries included
        self._pipeline = pipeline
        self.patience = patience
        self._turns = asyncio.Semaphore(width)
        self._reads = asyncio.Semaphore(_READS * width)

    async def send(self, request: Request) -> Answer:
        """Ask, and read the whole answer.

        Raises StorageError: for every answer but 2xx and what the request accepts.
        """
        seconds = self.patience.copying if request.copies else self.patience.answer
        tries = _Tries(self.patience, request.key)
        while True:
            try:
                async with self._turn(self._turns, request), asyncio.timeout(seconds):
                    response = await self._once(request, seconds)
                    try:
                        body = await response.read()
                    finally:
                        await response.close()
            except (AzureError, TimeoutError) as error:
                await tries.failed(unanswered(request.key, error))
                continue
            if await tries.judge(response):
                break
        _check(request, response)
        return Answer(response.status_code, response.headers, body)

    @asynccontextmanager
    async def open(self, request: Request) -> AsyncGenerator[AsyncHttpResponse, None]:
        """Ask, and leave the answer's body to be read; leaving early closes the connection.

        Raises StorageError: as `send`.
        """
        tries = _Tries(self.patience, request.key)
        async with self._turn(self._reads, request):
            while True:
                try:
                    async with asyncio.timeout(self.patience.answer):
                        response = await self._once(request, self.patience.silence)
                except (AzureError, TimeoutError) as error:
                    await tries.failed(unanswered(request.key, error))
                    continue
                try:
                    if not await tries.judge(response):
                        continue
                    _check(request, response)
                    yield response
                    return
                finally:
                    await response.close()

    async def _once(self, request: Request, silence: float) -> AsyncHttpResponse:
        """One try; `silence` is how long Azure may say nothing, in seconds."""
        self.count += 1
        url = self.names.url if request.container else self.names.blob_url(request.key)
        if request.query:
            url += "?" + urlencode(request.query)
        headers = {"x-ms-version": VERSION, **request.headers}
        content: Any = None
        if request.body is not None:
            size = sum(len(piece) for piece in request.body)
            headers["Content-Length"] = str(size)
            if size:
                headers["Content-Type"] = "application/octet-stream"
                content = _pieces(request.body)
        http = HttpRequest(request.method, url, headers=headers, content=content)
        return (await self._pipeline.run(http, stream=True, read_timeout=silence)).http_response

    @asynccontextmanager
    async def _turn(self, turns: asyncio.Semaphore, request: Request) -> AsyncGenerator[None, None]:
        """Keeps a request unsigned until a connection is free for it."""
        try:
            async with asyncio.timeout(self.patience.total):
                await turns.acquire()
        except TimeoutError as error:
            raise UnavailableError(request.key, "too many requests to Azure wait") from error
        try:
            yield
        finally:
            turns.release()


class _Tries:
    """Counts the tries of one request, and pauses between them."""

    def __init__(self, patience: Patience, key: str) -> None:
        self.count = 1
        self._patience = patience
        self._key = key
        self._end = time.monotonic() + patience.total

    async def judge(self, response: AsyncHttpResponse) -> bool:
        """Whether an answer is final; if not, it is time for the next try."""
        if not is_temporary(response.status_code, response.headers):
            return True
        await response.close()
        error = error_of(self._key, response.status_code, response.headers)
        await self.failed(error, retry_after(response.headers) if _says(response) else 0.0)
        return False

    async def failed(self, error: StorageError, at_least: float = 0.0) -> None:
        """Wait for the next try. Raises the error, if there is to be none."""
        pause = self._patience.pause(self.count, at_least)
        out = self.count > self._patience.retries or time.monotonic() + pause > self._end
        if out or isinstance(error, AccessError):
            raise error
        self.count += 1
        await asyncio.sleep(pause)


def _check(request: Request, response: AsyncHttpResponse) -> None:
    status, headers = response.status_code, response.headers
    if status >= 300 and code_of(headers) not in request.accept:
        raise error_of(request.key, status, headers)
    if not any(name.lower().startswith("x-ms-") for name in headers):
        # a proxy that wants a log-in; its page is neither an object nor an empty listing
        raise UnavailableError(request.key, "somebody else answers in place of Azure")


def _seconds(date: str) -> float:
    return parsedate_to_datetime(date).timestamp()


def _says(response: AsyncHttpResponse) -> bool:
    return "retry-after" in response.headers


async def _pieces(body: Sequence[bytes | memoryview]) -> AsyncIterator[bytes | memoryview]:
    for piece in body:
        yield piece
