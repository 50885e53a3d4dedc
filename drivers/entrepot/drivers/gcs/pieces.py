"""A stream of any chunks, taken in pieces of one size, each with its checksum."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from entrepot.drivers.gcs.google import crc32c_behind


@dataclass(frozen=True, slots=True)
class Piece:
    """Some bytes of a stream; `is_last` if no more follow."""

    parts: tuple[bytes, ...]
    size: int
    is_last: bool

    def crc32c(self, before: int) -> int:
        """The checksum of what has `before`, with this piece behind it."""
        for part in self.parts:
            before = crc32c_behind(before, part)
        return before

    def past(self, skipped: int) -> tuple[bytes, ...]:
        """The bytes without so many of them at the beginning."""
        rest: list[bytes] = []
        for part in self.parts:
            if skipped < len(part):
                rest.append(part[skipped:] if skipped else part)
            skipped = max(skipped - len(part), 0)
        return tuple(rest)


class Pieces:
    """Pulls a piece when it is asked for, and one chunk more, to know whether it is the last.

    With `keep`, an error of the stream ends it; `error` holds it, to be raised when what came
    before it is stored.
    """

    def __init__(self, chunks: AsyncIterator[bytes], size: int, *, keep: bool = False) -> None:
        self.error: Exception | None = None
        self._chunks = chunks
        self._size = size
        self._keep = keep
        self._over = b""  # of the next piece
        self._ended = False
        self._ready: Piece | None = None

    async def is_done(self) -> bool:
        """Whether nothing follows; waits for the next chunk."""
        self._over = self._over or await self._pull()
        return not self._over

    async def look(self) -> Piece:
        """The piece that will be taken next. Who keeps it costs memory."""
        if self._ready is None:
            self._ready = await self.take()
        return self._ready

    async def take(self) -> Piece:
        if self._ready is not None:
            piece, self._ready = self._ready, None
            return piece
        parts: list[bytes] = []
        missing = self._size
        while missing:
            chunk = self._over or await self._pull()
            if not chunk:
                break
            parts.append(chunk[:missing] if len(chunk) > missing else chunk)
            self._over = chunk[missing:]
            missing -= len(parts[-1])
        return Piece(tuple(parts), self._size - missing, is_last=await self.is_done())

    async def _pull(self) -> bytes:
        """The next chunk with something in it; nothing at the end."""
        while not self._ended:
            try:
                chunk = await anext(self._chunks, None)
            except Exception as error:
                if not self._keep:
                    raise
                self.error = error
                chunk = None
            if chunk:
                return chunk
            self._ended = chunk is None
        return b""
