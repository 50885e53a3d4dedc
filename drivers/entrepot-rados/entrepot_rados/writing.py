"""A stream becomes an object."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress

from entrepot.core import Entry, UnavailableError
from entrepot.core.threads import Threads
from entrepot_rados.errors import translating
from entrepot_rados.head import INLINE, Run, inline, new_id, striped
from entrepot_rados.objects import is_refusal
from entrepot_rados.source import Source
from entrepot_rados.store import Store
from entrepot_rados.transfers import Sending

_RUN = "0"


class Writing:
    def __init__(self, threads: Threads, store: Store, chunksize: int) -> None:
        self.chunksize = chunksize
        self._threads = threads
        self._store = store

    async def write(self, key: str, chunks: AsyncIterator[bytes], *, create: bool = False) -> Entry:
        """One object up to a mebibyte; beyond, chunks and a head that names them."""
        source = Source(chunks)
        body = await source.take(INLINE)
        if len(body) < INLINE:
            with translating(key):
                return await self._threads.run(lambda: self._put(key, body, create=create))
        source.give_back(body)
        generation = new_id()
        run = await self._send(key, source, generation)
        with translating(key):
            return await self._threads.run(
                lambda: self._put_chunks(key, generation, run, create=create)
            )

    def _put(self, key: str, body: bytes, *, create: bool) -> Entry:
        return self._store.put(key, inline(body), create=create)

    def _put_chunks(self, key: str, generation: str, run: Run, *, create: bool) -> Entry:
        """In doubt whether the object came to be, its chunks are left."""
        try:
            self._store.generations.record(generation, [run], key=key)
            return self._store.put(key, striped(generation, [run]), create=create)
        except OSError as error:
            if is_refusal(error):
                self._discard(generation, run)
            raise

    async def _send(self, key: str, source: Source, generation: str) -> Run:
        sending = Sending(self._threads, self._store.objects, generation, _RUN, self.chunksize)
        with translating(key):
            await self._threads.run(
                lambda: self._store.generations.record(generation, [sending.whole], key=key)
            )
        try:
            while not source.ended:
                if body := await source.take(self.chunksize):
                    with translating(key):
                        await sending.send(body)
            with translating(key):
                while await sending.settle():
                    pass
        except BaseException as failure:
            try:
                await sending.end()
            finally:
                if not isinstance(failure, UnavailableError):  # else it would wait once more
                    await self._threads.run(self._discard, generation, sending.sent)
            raise
        return sending.whole

    def _discard(self, generation: str, run: Run) -> None:
        """What cannot be removed is found by its record."""
        with suppress(OSError):
            self._store.generations.discard(generation, [run])
