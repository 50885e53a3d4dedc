"""Chunks on their way into the pool and out of it, several at a time."""

from __future__ import annotations

import asyncio
import errno
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from entrepot.core.threads import Call, Threads
from entrepot_rados.generations import WIDTH
from entrepot_rados.head import Piece, Run, pieces
from entrepot_rados.objects import Change, Objects
from entrepot_rados.places import chunk

_GONE = "the object was replaced or deleted while it was read"


class Sending:
    """Writes one run. `size` is how much of it is in the pool without a gap."""

    def __init__(
        self, threads: Threads, objects: Objects, generation: str, name: str, chunksize: int
    ) -> None:
        self.size = 0
        self.number = 0  # of the next chunk
        self._threads = threads
        self._objects = objects
        self._generation = generation
        self._name = name
        self._chunksize = chunksize
        self._calls: deque[tuple[Call[None], int]] = deque()

    @property
    def sent(self) -> Run:
        """All that may be in the pool."""
        return Run(self._name, self.number * self._chunksize, self._chunksize)

    @property
    def whole(self) -> Run:
        """What surely is."""
        return Run(self._name, self.size, self._chunksize)

    async def send(self, body: bytes) -> None:
        """Begin to write the next chunk; waits until there is room for it."""
        if len(self._calls) >= WIDTH:
            await self.settle()
        name = chunk(self._generation, self._name, self.number)
        self.number += 1
        call = self._threads.start(self._objects.change, name, Change(content=body))
        self._calls.append((call, len(body)))

    async def settle(self) -> bool:
        """Wait for the oldest one; whether there was any."""
        if not self._calls:
            return False
        call, size = self._calls.popleft()
        await call
        self.size += size
        return True

    async def end(self) -> None:
        """Wait for all, whatever becomes of them."""
        await ended([call for call, _ in self._calls])
        self._calls.clear()


async def reading(
    threads: Threads, objects: Objects, generation: str, runs: Sequence[Run], start: int, stop: int
) -> AsyncGenerator[bytes, None]:
    """Bytes [start, stop) of a generation.

    Raises OSError: if a chunk is not there or too short.
    """

    def read(piece: Piece) -> bytes:
        name = chunk(generation, piece.run, piece.number)
        try:
            found = objects.read(name, piece.stop - piece.start, piece.start)
        except FileNotFoundError as error:
            raise OSError(errno.ESTALE, _GONE) from error
        if len(found) != piece.stop - piece.start:
            raise OSError(errno.EBADMSG, "a chunk is shorter than it was")
        return found

    calls: deque[Call[bytes]] = deque()
    try:
        for piece in pieces(runs, start, stop):
            calls.append(threads.start(read, piece))
            if len(calls) >= WIDTH:
                yield await calls.popleft()
        while calls:
            yield await calls.popleft()
    finally:
        await ended(calls)


async def ended(calls: Sequence[Call[Any]] | deque[Call[Any]]) -> None:
    """Wait for calls whose results nobody wants, then pass a cancellation on."""
    cancelled: BaseException | None = None
    for call in list(calls):
        while not call.done():
            try:
                await call
            except asyncio.CancelledError as error:
                cancelled = error
            except OSError:
                break
        _ = call.exception()  # or it is reported as never retrieved
    if cancelled is not None:
        raise cancelled
