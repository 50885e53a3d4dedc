"""The driver contract on one pool of RADOS."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing

from entrepot.core import DeleteError, Driver, Entry, Prefix, StorageError, UnavailableError, Upload
from entrepot.core.concurrency import each
from entrepot.core.threads import Threads
from entrepot_rados.errors import translated, translating
from entrepot_rados.listing import Listing
from entrepot_rados.store import Store
from entrepot_rados.transfers import reading
from entrepot_rados.upload import RadosUpload
from entrepot_rados.writing import Writing

_BATCH = 20  # keys that one thread deletes, one after the other


class RadosDriver(Driver):
    def __init__(self, threads: Threads, store: Store, chunksize: int) -> None:
        self._threads = threads
        self.store = store
        self._writing = Writing(threads, store, chunksize)

    async def stat(self, key: str) -> Entry:
        with translating(key):
            head = await self._threads.run(self.store.stat, key)
        return Entry(key, head.size, head.modified)

    async def read(
        self, key: str, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        if stop is not None and stop <= start:
            return
        with translating(key):
            head = await self._threads.run(self.store.load, key)
            end = head.size if stop is None else min(stop, head.size)
            if start >= end:
                return
            place = self.store.objects, head.generation, head.runs if head.generation else []
        if not head.generation:
            if len(head.body) != head.size:
                raise UnavailableError(key, "the object is shorter than it was")
            yield head.body[start:end]
            return
        async with aclosing(reading(self._threads, *place, start, end)) as pieces:
            while (piece := await _next(pieces, key)) is not None:
                yield piece

    async def write(self, key: str, chunks: AsyncIterator[bytes], *, create: bool = False) -> Entry:
        return await self._writing.write(key, chunks, create=create)

    async def delete(self, keys: Sequence[str]) -> None:
        unique = list(dict.fromkeys(keys))
        batches = [unique[at : at + _BATCH] for at in range(0, len(unique), _BATCH)]
        failures: dict[str, StorageError] = {}

        async def some(batch: Sequence[str]) -> None:
            failed = await self._threads.run(self.store.delete, batch)
            failures.update({key: translated(key, error) for key, error in failed.items()})

        await each(some, batches)
        if failures:
            raise DeleteError(failures)

    async def scan(
        self, prefix: str, *, after: str = "", delimiter: str = ""
    ) -> AsyncGenerator[Entry | Prefix, None]:
        listing = Listing(self._threads, self.store, prefix, after)
        async with aclosing(listing.items(delimiter)) as items:
            async for item in items:
                yield item

    def upload(self, token: str) -> Upload:
        return RadosUpload(self._threads, self.store, self._writing, token)


async def _next(pieces: AsyncGenerator[bytes, None], key: str) -> bytes | None:
    with translating(key):
        return await anext(pieces, None)
