"""A tiny object server over HTTP and a driver for it, so that a proxy has something to break."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs, quote, unquote, urlsplit

from entrepot.core.driver import Driver, Entry, Prefix
from entrepot.core.errors import (
    AccessError,
    DeleteError,
    ExistsError,
    NotFoundError,
    StorageError,
    UnavailableError,
)
from entrepot.core.testing.proxy_messages import Body, Head, read_head

from .dictionary import Stored

_PART = 1024 * 1024


# -- the server -------------------------------------------------------------------------


@dataclass
class HttpStore:
    """GET, HEAD, PUT and DELETE of `/<key>`; GET of `/?prefix=&after=` lists as JSON."""

    objects: dict[str, Stored] = field(default_factory=dict[str, Stored])

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await read_head(reader)
            body = b"".join([piece async for piece in Body.of_request(head).read(reader)])
            status, fields, answer = self.answer(head, body)
            lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(answer)}", *fields]
            sent = b"" if head.method == "HEAD" else answer
            writer.write("\r\n".join([*lines, "Connection: close", "", ""]).encode() + sent)
            await writer.drain()
        except (EOFError, OSError):
            pass  # a request cut short does nothing
        finally:
            writer.close()

    def answer(self, head: Head, body: bytes) -> tuple[int, list[str], bytes]:
        target = urlsplit(head.target)
        key = unquote(target.path[1:])
        if head.method == "PUT":
            return self._put(key, body, create="if-none-match" in head.fields)
        if not key:
            asked = {name: values[0] for name, values in parse_qs(target.query).items()}
            return 200, [], self._list(asked.get("prefix", ""), asked.get("after", ""))
        found = self.objects.get(key)
        if head.method == "DELETE":
            self.objects.pop(key, None)
            return 204, [], b""
        if found is None:
            return 404, [], b"no such object"
        return self._get(found, head.fields.get("range", ""))

    def _put(self, key: str, body: bytes, *, create: bool) -> tuple[int, list[str], bytes]:
        if create and key in self.objects:
            return 412, [], b""
        self.objects[key] = Stored(body, time.time())
        return 201, [], b""

    def _get(self, found: Stored, asked: str) -> tuple[int, list[str], bytes]:
        modified = [f"X-Modified: {found.modified}"]
        if not asked:
            return 200, modified, found.content
        first, _, last = asked.removeprefix("bytes=").partition("-")
        if int(first) >= len(found.content):
            return 416, [], b""
        return 206, modified, found.content[int(first) : int(last) + 1 if last else None]

    def _list(self, prefix: str, after: str) -> bytes:
        keys = sorted(key for key in self.objects if key.startswith(prefix) and key > after)[:1000]
        return json.dumps(
            [[key, len(self.objects[key].content), self.objects[key].modified] for key in keys]
        ).encode()


@asynccontextmanager
async def serving() -> AsyncGenerator[int, None]:
    """The port of a new, empty store."""
    server = await asyncio.start_server(HttpStore().serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


# -- the driver -------------------------------------------------------------------------


@dataclass
class Answer:
    """A status and a body that is still to come."""

    head: Head
    reader: asyncio.StreamReader

    async def pieces(self, method: str = "GET") -> AsyncGenerator[bytes, None]:
        async for piece in Body.of_answer(self.head, method).read(self.reader):
            yield piece


class HttpDriver(Driver):
    """A connection for each request, with a time to answer in and one more try."""

    seconds = 1.0  # without a byte from the server
    tries = 2

    def __init__(self, address: str) -> None:
        host, _, port = address.partition(":")
        self.address = host, int(port)

    @asynccontextmanager
    async def asking(
        self, method: str, target: str, body: bytes = b"", fields: Mapping[str, str] | None = None
    ) -> AsyncGenerator[Answer, None]:
        reader, writer = await self.connect()
        try:
            lines = [f"{method} {target} HTTP/1.1", "Host: store", f"Content-Length: {len(body)}"]
            lines += [f"{name}: {value}" for name, value in (fields or {}).items()]
            writer.write("\r\n".join([*lines, "", ""]).encode() + body)
            async with asyncio.timeout(self.seconds):
                await writer.drain()
                head = await read_head(reader)
            yield Answer(head, reader)
        finally:
            self.disconnect(writer)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        async with asyncio.timeout(self.seconds):
            return await asyncio.open_connection(*self.address)

    def disconnect(self, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    def failed(self, key: str, error: Exception) -> StorageError:
        return UnavailableError(key, type(error).__name__)

    def refused(self, key: str, status: int) -> StorageError:
        if status == 404:
            return NotFoundError(key)
        if status in {401, 403}:
            return AccessError(key, f"status {status}")
        return UnavailableError(key, f"status {status}")

    async def ask(
        self,
        method: str,
        key: str,
        target: str = "",
        body: bytes = b"",
        fields: Mapping[str, str] | None = None,
    ) -> tuple[Head, bytes]:
        """A whole exchange, tried again if the server is in trouble."""
        error: StorageError | None = None
        for _ in range(self.tries if self.repeatable(fields or {}) else 1):
            try:
                path = target or f"/{quote(key)}"
                async with self.asking(method, path, body, fields) as got:
                    async with asyncio.timeout(self.seconds):
                        whole = b"".join([piece async for piece in got.pieces(method)])
            except (OSError, EOFError, TimeoutError) as cause:
                error = self.failed(key, cause)
                continue
            if got.head.status < 300:
                return got.head, whole
            if got.head.status == 412:
                raise ExistsError(key)
            error = self.refused(key, got.head.status)
            if not isinstance(error, UnavailableError):
                break
        assert error is not None
        raise error

    def repeatable(self, fields: Mapping[str, str]) -> bool:
        """Not a create: the first try may have been the winner, and the second finds it."""
        return "If-None-Match" not in fields

    async def stat(self, key: str) -> Entry:
        head, _ = await self.ask("HEAD", key)
        size, modified = head.fields["content-length"], head.fields["x-modified"]
        return Entry(key, int(size), float(modified))

    async def read(
        self, key: str, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        if stop is not None and stop <= start:
            return
        asked = {"Range": f"bytes={start}-{'' if stop is None else stop - 1}"}
        fields = asked if (start, stop) != (0, None) else {}
        try:
            async with self.asking("GET", f"/{quote(key)}", fields=fields) as answer:
                if answer.head.status == 416:
                    return
                if answer.head.status >= 300:
                    raise self.refused(key, answer.head.status)
                pieces = answer.pieces()
                while True:
                    async with asyncio.timeout(self.seconds):
                        piece = await anext(pieces, None)
                    if piece is None:
                        return
                    yield piece
        except (OSError, EOFError, TimeoutError) as error:
            raise self.failed(key, error) from error

    async def write(self, key: str, chunks: AsyncIterator[bytes], *, create: bool = False) -> Entry:
        content = b"".join([chunk async for chunk in chunks])
        fields = {"If-None-Match": "*"} if create else {}
        await self.ask("PUT", key, body=content, fields=fields)
        return Entry(key, len(content), time.time())

    async def delete(self, keys: Sequence[str]) -> None:
        failures: dict[str, StorageError] = {}
        for key in keys:
            try:
                await self.ask("DELETE", key)
            except StorageError as error:
                failures[key] = error
        if failures:
            raise DeleteError(failures)

    async def scan(
        self, prefix: str, *, after: str = "", delimiter: str = ""
    ) -> AsyncGenerator[Entry | Prefix, None]:
        given = ""
        while page := await self.page(prefix, after):
            for key, size, modified in page:
                after = key
                end = key.find(delimiter, len(prefix)) if delimiter else -1
                if end < 0:
                    yield Entry(key, size, modified)
                elif given != (given := key[: end + 1]):
                    yield Prefix(given)

    async def page(self, prefix: str, after: str) -> list[tuple[str, int, float]]:
        target = f"/?prefix={quote(prefix, safe='')}&after={quote(after, safe='')}"
        _, listed = await self.ask("GET", prefix, target)
        found: list[tuple[str, int, float]] = json.loads(listed)
        return found
