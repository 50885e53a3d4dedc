"""Content on its way to the server: chunks as they came, never joined."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import BinaryIO

from aiohttp import Payload
from aiohttp.abc import AbstractStreamWriter

_PIECE = 1024 * 1024
_QUICK = 64 * 1024  # bytes that are hashed sooner than a thread is asked to
EMPTY_HASH = hashlib.sha256().hexdigest()


class Body:
    """Bytes that can be sent again and again, held in memory."""

    __slots__ = ("_hash", "chunks", "size")

    def __init__(self, chunks: Sequence[bytes]) -> None:
        self.chunks = chunks
        self.size = sum(map(len, chunks))
        self._hash = ""

    async def sha256(self) -> str:
        if not self._hash:
            quick = self.size <= _QUICK
            self._hash = self._hashed() if quick else await asyncio.to_thread(self._hashed)
        return self._hash

    def _hashed(self) -> str:
        running = hashlib.sha256()
        for chunk in self.chunks:
            running.update(chunk)
        return running.hexdigest()

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        for chunk in self.chunks:
            yield chunk


class FileBody(Body):
    """The same of a file, read anew for each attempt."""

    __slots__ = ("_file",)

    def __init__(self, file: BinaryIO, size: int) -> None:
        super().__init__(())
        self._file = file
        self.size = size

    def _hashed(self) -> str:
        self._file.seek(0)
        running = hashlib.sha256()
        while piece := self._file.read(_PIECE):
            running.update(piece)
        return running.hexdigest()

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        await asyncio.to_thread(self._file.seek, 0)
        while piece := await asyncio.to_thread(self._file.read, _PIECE):
            yield piece


class Sending(Payload):
    """One attempt to send a body."""

    def __init__(self, body: Body) -> None:
        super().__init__(body, content_type="application/octet-stream")
        self._body = body
        self._size = body.size
        self._autoclose = True

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        raise TypeError("content is sent in pieces only")

    async def write(self, writer: AbstractStreamWriter) -> None:
        async for piece in self._body.pieces():
            await writer.write(piece)


class Source:
    """A stream taken in exact amounts."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    async def take(self, size: int, into: list[bytes]) -> bool:
        """Pull `size` bytes into a list; False if the stream ended before.

        When the stream raises, the list has what was pulled.
        """
        while size:
            if not self._rest and not await self.more():
                return False
            piece = self._rest[:size]  # the same object, if all of it is taken
            self._rest = self._rest[size:]
            into.append(piece)
            size -= len(piece)
        return True

    async def more(self) -> bool:
        """Whether the stream goes on."""
        while not self._rest:
            chunk = await anext(self._chunks, None)
            if chunk is None:
                return False
            self._rest = chunk
        return True
