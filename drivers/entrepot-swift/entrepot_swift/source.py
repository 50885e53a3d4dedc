"""A stream on its way into the store, a segment at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator


class Source:
    """`take` gathers the next segment; what came before an error is in `taken`."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self.ended = False
        self._chunks = chunks
        self._held: list[bytes] = []

    async def take(self, size: int) -> bytes:
        """At least so many bytes, unless the stream `ended`. An error of the stream comes out."""
        gathered = 0
        while gathered < size and not self.ended:
            try:
                chunk = await anext(self._chunks)
            except StopAsyncIteration:
                self.ended = True
            else:
                self._held.append(chunk)
                gathered += len(chunk)
        return self.taken()

    def taken(self) -> bytes:
        """What was gathered and not given out yet."""
        body = self._held[0] if len(self._held) == 1 else b"".join(self._held)
        self._held = []
        return body
