"""As much of HTTP/1.1 as a proxy needs: where a message ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass

_PIECE = 64 * 1024


class MessageError(Exception):
    """What came is not HTTP/1.1."""


@dataclass(frozen=True, slots=True)
class Head:
    """The first lines of a request or an answer."""

    raw: bytes
    first: tuple[str, ...]  # method, target, version; or version, status, …
    fields: dict[str, str]  # by lower-case name; of repeated ones the last

    @property
    def method(self) -> str:
        return self.first[0]

    @property
    def target(self) -> str:
        return self.first[1]

    @property
    def status(self) -> int:
        return int(self.first[1])

    @property
    def expects_continue(self) -> bool:
        return self.fields.get("expect", "").lower() == "100-continue"

    @property
    def closes(self) -> bool:
        default = "close" if self.first[0] == "HTTP/1.0" else ""
        return self.fields.get("connection", default).lower() == "close"


async def read_head(reader: asyncio.StreamReader) -> Head:
    """Raises EOFError: if the connection ended; MessageError: if this is no head."""
    try:
        raw = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError as error:
        raise MessageError("head is too long") from error
    first, *lines = raw.decode("latin-1").rstrip("\r\n").split("\r\n")
    words = tuple(first.split(" ", 2))
    if len(words) < 2:
        raise MessageError(f"no request or answer: {first[:80]!r}")
    pairs = (line.partition(":") for line in lines)
    return Head(raw, words, {name.lower(): value.strip() for name, _, value in pairs})


@dataclass(frozen=True, slots=True)
class Body:
    """How the bytes behind a head end: after `length`, by chunks, or with the connection."""

    length: int = 0
    chunked: bool = False
    to_the_end: bool = False

    @classmethod
    def of_request(cls, head: Head) -> Body:
        if head.fields.get("transfer-encoding", "").lower() == "chunked":
            return cls(chunked=True)
        return cls(int(head.fields.get("content-length", "0")))

    @classmethod
    def of_answer(cls, head: Head, method: str) -> Body:
        if method == "HEAD" or head.status in {204, 304}:
            return cls()
        if head.fields.get("transfer-encoding", "").lower() == "chunked":
            return cls(chunked=True)
        length = head.fields.get("content-length")
        return cls(to_the_end=True) if length is None else cls(int(length))

    async def read(self, reader: asyncio.StreamReader) -> AsyncGenerator[bytes, None]:
        """The bytes as they are on the wire. Raises EOFError: if they end before their end."""
        if self.to_the_end:
            while piece := await reader.read(_PIECE):
                yield piece
        elif self.chunked:
            async for piece in _chunks(reader):
                yield piece
        else:
            async for piece in _exactly(reader, self.length):
                yield piece


async def _exactly(reader: asyncio.StreamReader, size: int) -> AsyncGenerator[bytes, None]:
    while size:
        piece = await reader.read(min(size, _PIECE))
        if not piece:
            raise EOFError("message ends early")
        size -= len(piece)
        yield piece


async def _chunks(reader: asyncio.StreamReader) -> AsyncGenerator[bytes, None]:
    while True:
        line = await reader.readuntil(b"\r\n")
        yield line
        size = int(line.split(b";")[0], 16)
        if size == 0:
            break
        async for piece in _exactly(reader, size + 2):
            yield piece
    while True:  # trailers, up to an empty line
        line = await reader.readuntil(b"\r\n")
        yield line
        if line == b"\r\n":
            return
