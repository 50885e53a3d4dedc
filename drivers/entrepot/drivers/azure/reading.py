"""Reading a blob as a stream that goes on where a connection broke."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from azure.core.exceptions import AzureError
from azure.core.rest import AsyncHttpResponse
from entrepot.core import UnavailableError
from entrepot.drivers.azure.errors import code_of
from entrepot.drivers.azure.requests import Request, Requests

CHUNK = 1024 * 1024

_PAST_THE_END = "InvalidRange"
_REPLACED = "ConditionNotMet"
_CUTS = 5  # connections that may break one after another without giving a byte


async def read(
    requests: Requests, key: str, start: int, stop: int | None, etag: str = ""
) -> AsyncGenerator[bytes, None]:
    """Bytes [start, stop) in chunks of 1 MiB, all of one version of the blob."""
    at, cuts, since = start, 0, time.monotonic()
    while stop is None or at < stop:
        request = _ranged(key, at, stop, etag)
        async with requests.open(request) as response:
            code = code_of(response.headers)
            if code == _PAST_THE_END:
                return
            if code == _REPLACED:
                raise UnavailableError(key, "the blob was replaced while it was read")
            etag = response.headers["etag"]
            end = at + int(response.headers["content-length"])
            try:
                async with aclosing(_gathered(response)) as chunks:
                    async for chunk in chunks:
                        at += len(chunk)
                        yield chunk
                        cuts, since = 0, time.monotonic()
            except AzureError:
                pass
            if at == end:
                return
        cuts += 1
        if cuts > _CUTS or time.monotonic() > since + requests.patience.total:
            raise UnavailableError(key, f"the connection broke {cuts} times at byte {at}")


def _ranged(key: str, at: int, stop: int | None, etag: str) -> Request:
    headers: dict[str, str] = {}
    if at or stop is not None:
        headers["x-ms-range"] = f"bytes={at}-{'' if stop is None else stop - 1}"
    if etag:
        headers["If-Match"] = etag
    return Request("GET", key, headers=headers, accept=frozenset({_PAST_THE_END, _REPLACED}))


async def _gathered(response: AsyncHttpResponse) -> AsyncGenerator[bytes, None]:
    """The body in chunks of about 1 MiB; when it breaks, first what had come."""
    pieces: list[bytes] = []
    size = 0
    body: AsyncIterator[bytes] = response.iter_raw()
    try:
        async for piece in body:
            pieces.append(piece)
            size += len(piece)
            if size >= CHUNK:
                yield b"".join(pieces)
                pieces, size = [], 0
    except AzureError:
        if pieces:
            yield b"".join(pieces)
        raise
    if pieces:
        yield b"".join(pieces)
