"""A stream on its way into the store, in pieces, its own failures told apart from the store's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

from entrepot_obstore.options import MIB


class Stream:
    """`start` gathers the first `head` bytes; `pieces` gives all of it, about 1 MiB at a time.

    An error of `chunks` ends up in `error`; with `tolerant` the pieces then just end, so that
    what came before is stored. `size` counts the bytes given to the store.
    """

    def __init__(self, chunks: AsyncIterator[bytes], head: int, *, tolerant: bool = False) -> None:
        self.ended = False
        self.error: Exception | None = None
        self.size = 0
        self._chunks = chunks
        self._head = head
        self._start = b""
        self._tolerant = tolerant
        self._waiting: asyncio.Task[object] | None = None
        self._stopped = False

    def stop(self) -> None:
        """Make the pieces fail, now or when the next is asked for."""
        self._stopped = True
        if self._waiting is not None:
            self._waiting.cancel()

    async def start(self) -> bytes:
        """The first bytes, at least `head` of them unless the stream `ended` before."""
        held: list[bytes] = []
        size = 0
        while size < self._head and not self.ended:
            chunk = await self._next()
            held.append(chunk)
            size += len(chunk)
        self._start = b"".join(held)
        return self._start

    async def pieces(self, limit: int | None = None) -> AsyncGenerator[bytes, None]:
        """What `start` gave, then the rest; at most about `limit` bytes in one go."""
        given = 0
        held, self._start = [self._start] if self._start else [], b""
        size = sum(map(len, held))
        while not self.ended and (limit is None or given + size < limit):
            while size < MIB and not self.ended:
                chunk = await self._next()
                held.append(chunk)
                size += len(chunk)
            given += size
            yield self._joined(held)
            held, size = [], 0
        if size:
            yield self._joined(held)

    def _joined(self, held: list[bytes]) -> bytes:
        piece = held[0] if len(held) == 1 else b"".join(held)
        self.size += len(piece)
        return piece

    async def _next(self) -> bytes:
        if self._stopped:
            raise asyncio.CancelledError
        self._waiting = asyncio.current_task()
        try:
            return await anext(self._chunks)
        except StopAsyncIteration:
            self.ended = True
        except Exception as error:
            self.ended = True
            self.error = error
            if not self._tolerant:
                raise
        finally:
            self._waiting = None
        return b""
