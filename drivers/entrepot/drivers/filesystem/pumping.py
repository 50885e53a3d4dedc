"""Streams into files: the next chunks are pulled while the last ones are written."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress

from entrepot.core import StorageError
from entrepot.core.threads import Call, Threads
from entrepot.drivers.filesystem.errors import translating
from entrepot.drivers.filesystem.files import write_all

BATCH = 1024 * 1024  # bytes written by one call in a thread


class Batches:
    """A stream, taken in batches of chunks that are worth a hop to a thread."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self.held: list[bytes] = []  # what was pulled before the stream raised
        self._ended = False

    async def take(self) -> list[bytes]:
        """The next chunks: BATCH bytes or more unless the stream ends, none at its end."""
        size = 0
        while size < BATCH and not self._ended:
            chunk = await anext(self._chunks, None)
            if chunk is None:
                self._ended = True
            elif chunk:
                self.held.append(chunk)
                size += len(chunk)
        taken, self.held = self.held, []
        return taken


class Pump:
    """Writes a stream to where a file's position is, one batch behind what is pulled.

    When `write` has returned or raised, no thread uses the file any more, and what it wrote
    is a true beginning of the stream: nothing goes behind a batch that failed.
    """

    def __init__(self, threads: Threads, descriptor: int, key: str, path: str) -> None:
        self._threads = threads
        self._descriptor = descriptor
        self._key = key
        self._path = path
        self._writing: Call[None] | None = None

    async def write(
        self, batches: Batches, first: list[bytes] | None = None, *, keep: bool = False
    ) -> int:
        """Write `first`, then all there is; gives the number of bytes.

        With `keep`, what came of a stream that raises is written, too.

        Raises what the stream raises, unchanged; a StorageError if writing fails.
        """
        size = 0
        try:
            batch = first or await batches.take()
            while batch:
                await self._put(batch)
                size += sum(map(len, batch))
                batch = await batches.take()
            await self._settle()
        except BaseException:
            await self._stop(batches.held if keep else [])
            raise
        return size

    async def _put(self, batch: list[bytes]) -> None:
        await self._settle()
        self._writing = self._threads.start(write_all, self._descriptor, batch)

    async def _settle(self) -> None:
        """Wait for what is being written, if anything is."""
        writing, self._writing = self._writing, None
        if writing is not None:
            with translating(self._key, self._path, writing=True):
                await writing

    async def _stop(self, rest: list[bytes]) -> None:
        """End what is under way, then write the rest behind it."""
        with suppress(StorageError):  # what stopped the stream is what is told
            if rest:
                await self._put(rest)
            await self._settle()
