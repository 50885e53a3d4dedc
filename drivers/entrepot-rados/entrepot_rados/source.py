"""A stream on its way into the store, a chunk at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator


class Source:
    """`take` gathers the next chunk; what came before an error is in `taken`."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._exhausted = False
        self._held: list[bytes | memoryview] = []
        self._size = 0

    @property
    def ended(self) -> bool:
        """Whether all was given out. Of a stream that ends now, only the next `take` tells."""
        return self._exhausted and not self._size

    async def take(self, size: int) -> bytes:
        """So many bytes; fewer if the stream `ended`. An error of the stream comes out."""
        while self._size < size and not self._exhausted:
            try:
                self._hold(await anext(self._chunks))
            except StopAsyncIteration:
                self._exhausted = True
        wanted, self._held, self._size = self._held, [], 0
        while wanted and self._size + len(wanted[0]) <= size:
            self._hold(wanted.pop(0))
        if wanted and self._size < size:
            missing = size - self._size
            last = memoryview(wanted[0])
            self._hold(last[:missing])
            wanted[0] = last[missing:]
        body = self.taken()
        for chunk in wanted:
            self._hold(chunk)
        return body

    def give_back(self, body: bytes) -> None:
        """It comes first in what is taken next."""
        self._held.insert(0, body)
        self._size += len(body)

    def taken(self) -> bytes:
        """What was gathered and not given out yet."""
        first = self._held[0] if len(self._held) == 1 else None
        body = first if isinstance(first, bytes) else b"".join(self._held)
        self._held, self._size = [], 0
        return body

    def _hold(self, chunk: bytes | memoryview) -> None:
        if chunk:
            self._held.append(chunk)
            self._size += len(chunk)
