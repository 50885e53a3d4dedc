"""Answers with large bodies, streamed with back-pressure."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from entrepot.core.blobs import Blob, Blobs


class StreamResponse(Response):
    """Chunks sent as fast as the client takes them; the source is closed whatever happens.

    A client that leaves cancels the reading: servers take what is sent to nobody.
    """

    def __init__(
        self,
        chunks: AsyncGenerator[bytes, None],
        status: int,
        headers: Mapping[str, str],
        media_type: str,
    ) -> None:
        super().__init__(None, status, headers, media_type)
        self.chunks = chunks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                watch = group.create_task(_until_left(receive))
                await self._send(send)
                watch.cancel()
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None

    async def _send(self, send: Send) -> None:
        async with aclosing(self.chunks) as chunks:
            first = await anext(chunks, b"")  # an error of the store is still told as one
            status = self.status_code
            start = {"type": "http.response.start", "status": status, "headers": self.raw_headers}
            await send(start)
            await send({"type": "http.response.body", "body": first, "more_body": True})
            async for chunk in chunks:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
                await asyncio.sleep(0)  # a server that takes all may never wait: look who left
            await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _until_left(receive: Receive) -> None:
    """Raises ClientDisconnect: when the client is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
    raise ClientDisconnect


class PartsResponse(StreamResponse):
    """Several ranges in one answer. Source: RFC 9110 section 14.6, multipart/byteranges."""

    def __init__(
        self,
        blobs: Blobs,
        blob: Blob,
        spans: Sequence[tuple[int, int]],
        headers: dict[str, str],
        media_type: str,
    ) -> None:
        boundary = secrets.token_hex(16)
        heads = [
            f"\r\n--{boundary}\r\nContent-Type: {media_type}\r\n"
            f"Content-Range: bytes {start}-{stop - 1}/{blob.size}\r\n\r\n".encode()
            for start, stop in spans
        ]
        tail = f"\r\n--{boundary}--\r\n".encode()
        size = sum(stop - start for start, stop in spans) + sum(map(len, heads)) + len(tail)
        super().__init__(
            _parts(blobs, blob, spans, [*heads, tail]),
            206,
            headers | {"Content-Length": str(size)},
            f"multipart/byteranges; boundary={boundary}",
        )


async def _parts(
    blobs: Blobs, blob: Blob, spans: Sequence[tuple[int, int]], texts: Sequence[bytes]
) -> AsyncGenerator[bytes, None]:
    for (start, stop), head in zip(spans, texts, strict=False):
        yield head
        async with aclosing(blobs.read(blob, start, stop)) as chunks:
            async for chunk in chunks:
                yield chunk
    yield texts[-1]
