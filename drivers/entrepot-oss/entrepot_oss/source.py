"""A stream on its way into the store, a part at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator


class Source:
    """`take` gathers what becomes the next part."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self.ended = False
        self._chunks = chunks

    async def take(self, size: int, held: bytes = b"") -> tuple[bytes, Exception | None]:
        """At least so many bytes, unless the stream `ended`, and the error that ended it.

        They begin with those that are `held` already.
        """
        pieces, gathered = [held], len(held)
        while gathered < size and not self.ended:
            try:
                chunk = await anext(self._chunks)
            except StopAsyncIteration:
                self.ended = True
            except Exception as error:
                self.ended = True
                return b"".join(pieces), error
            else:
                pieces.append(chunk)
                gathered += len(chunk)
        return b"".join(pieces), None
