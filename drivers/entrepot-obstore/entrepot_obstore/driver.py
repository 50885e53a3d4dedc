"""The driver contract in obstore's own operations."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from datetime import timedelta
from typing import Literal

import obstore
from obstore.store import AzureStore, GCSStore, MemoryStore, S3Store

from entrepot.core import (
    Driver,
    Entry,
    ExistsError,
    NotFoundError,
    Prefix,
    StorageError,
    UnavailableError,
    Upload,
)
from entrepot_obstore.deleting import delete
from entrepot_obstore.errors import translating
from entrepot_obstore.listing import listed
from entrepot_obstore.options import MIB, ObstoreOptions
from entrepot_obstore.streams import Stream
from entrepot_obstore.upload import ObstoreUpload

Store = S3Store | AzureStore | GCSStore | MemoryStore
_WRITER = "entrepotwriter"  # Azure wants an identifier, and proxies drop underscores
_PIECE = 4 * MIB  # bytes; a store in memory would give all at once
_PATIENCE = 10.0  # seconds for parts to be given up after a cancellation
_COPY_LIMIT = 5 * 1024 * MIB  # bytes that S3 copies in one request


class ObstoreDriver(Driver):
    """Objects of one store. `signing` is that store as clients reach it, if they can."""

    def __init__(self, store: Store, options: ObstoreOptions, signing: Store | None) -> None:
        self._store = store
        self._options = options
        self._signing = signing
        # A copy on Azure may go on after its answer, and obstore cannot see how far it is.
        self._copies = not isinstance(store, AzureStore)

    def close(self) -> None:
        """Let go of the store: obstore hangs up when nobody holds it any more."""
        del self._store, self._signing

    async def stat(self, key: str) -> Entry:
        with translating(key):
            found = await obstore.head_async(self._store, key)
        return Entry(key, found["size"], found["last_modified"].timestamp())

    async def read(
        self, key: str, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        if stop is not None and stop - start <= MIB:
            few = await self._few(key, start, stop) if stop > start else b""
            if few:
                yield few
            return
        result = await self._get(key, start, stop)
        if result is None:
            return
        at, end = result.range
        if end - at <= MIB:
            with translating(key):
                content = await result.bytes_async()
            _check_length(key, len(content), end - at)
            if content:
                yield bytes(content)
            return
        stream = result.stream(MIB)
        with translating(key):
            async for chunk in stream:
                at += len(chunk)
                for begin in range(0, len(chunk), _PIECE):
                    yield chunk[begin : begin + _PIECE]
        _check_length(key, at - result.range[0], end - result.range[0])

    async def _few(self, key: str, start: int, stop: int) -> bytes:
        """A range in one step, which is a third cheaper than an answer and then its body."""
        try:
            with translating(key):
                return bytes(await obstore.get_range_async(self._store, key, start=start, end=stop))
        except UnavailableError:
            if await self._is_past(key, start):
                return b""
            raise

    async def _get(self, key: str, start: int, stop: int | None) -> obstore.GetResult | None:
        """The store's answer; None for a range that begins at the object's end or behind it."""
        if start == 0 and stop is None:
            with translating(key):
                return await obstore.get_async(self._store, key)
        wanted: obstore.GetOptions = {"range": {"offset": start} if stop is None else (start, stop)}
        try:
            with translating(key):
                return await obstore.get_async(self._store, key, options=wanted)
        except UnavailableError:
            if await self._is_past(key, start):
                return None
            raise

    async def _is_past(self, key: str, start: int) -> bool:
        """Whether a failure was the store's 416, which obstore does not tell from others."""
        return start >= (await self.stat(key)).size

    async def write(self, key: str, chunks: AsyncIterator[bytes], *, create: bool = False) -> Entry:
        """One request up to `chunksize`; beyond, parts, and a creation is a copy of them.

        The entry's time is that of this machine's clock, for obstore tells no other.
        """
        stream = Stream(chunks, self._options.chunksize)
        start = await stream.start()
        if stream.ended:
            await self._put(key, start, create=create)
        elif create:
            await self._create_large(key, stream)
        else:
            await self.put_stream(key, stream)
        return Entry(key, stream.size or len(start), time.time())

    async def _put(self, key: str, content: bytes, *, create: bool) -> None:
        writer = uuid.uuid4().hex if create else ""
        try:
            with translating(key):
                await obstore.put_async(
                    self._store,
                    key,
                    content,
                    mode="create" if create else "overwrite",
                    use_multipart=False,
                    attributes={_WRITER: writer} if writer else None,
                )
        except ExistsError:
            # The first try of a request sent again may have created it, its answer lost.
            if await self._writer(key) != writer:
                raise

    async def create(self, key: str, content: bytes) -> None:
        """Store content that is held in memory, unless there is something under the key.

        Raises ExistsError.
        """
        await self._put(key, content, create=True)

    async def _writer(self, key: str) -> str | None:
        try:
            with translating(key):
                result = await obstore.get_async(self._store, key, options={"head": True})
        except NotFoundError:
            return None
        return result.attributes.get(_WRITER)

    async def put_stream(self, key: str, stream: Stream, limit: int | None = None) -> None:
        """Store a stream in parts, whole or not at all; its own error is what comes out.

        `limit` is about how many bytes are taken from it. Cancelled, it waits for obstore to
        give up the parts, because it does that after an error only.
        """
        putting = asyncio.ensure_future(self._put_parts(key, stream.pieces(limit)))
        try:
            with translating(key):
                await asyncio.shield(putting)
        except asyncio.CancelledError:
            stream.stop()
            await asyncio.wait([putting], timeout=_PATIENCE)
            putting.cancel()
            raise
        except StorageError:
            if stream.error is not None:
                raise stream.error from None
            raise

    async def _put_parts(self, key: str, pieces: AsyncIterator[bytes]) -> None:
        await obstore.put_async(
            self._store,
            key,
            pieces,
            chunk_size=self._options.chunksize,
            max_concurrency=self._options.maxconcurrency,
        )

    async def _create_large(self, key: str, stream: Stream) -> None:
        """Store parts under another key, then copy them unless the key was taken meanwhile."""
        aside = f"{key}.{uuid.uuid4().hex}.tmp"
        try:
            await self.put_stream(aside, stream)
            with translating(key):
                await obstore.copy_async(self._store, aside, key, overwrite=False)
        finally:
            await self.delete([aside])

    async def delete(self, keys: Sequence[str]) -> None:
        options = self._options
        await delete(self._store, keys, retries=options.retries, seconds=options.timeout * 2)

    async def scan(
        self, prefix: str, *, after: str = "", delimiter: str = ""
    ) -> AsyncGenerator[Entry | Prefix, None]:
        async with aclosing(listed(self._store, prefix, after, delimiter)) as entries:
            async for entry in entries:
                yield entry

    async def copy(self, source: str, target: str) -> Entry:
        found = await self.stat(source)
        if not self._copies or found.size > _COPY_LIMIT:
            return await super().copy(source, target)
        if source != target:
            with translating(source):
                await obstore.copy_async(self._store, source, target)
        return await self.stat(target)

    async def link(self, key: str, method: Literal["GET", "HEAD"], seconds: int) -> str | None:
        if self._signing is None or isinstance(self._signing, MemoryStore):
            return None
        if isinstance(self._signing, AzureStore):
            method = "GET"  # a permission to read there, which HEAD needs too
        with translating(key):
            return await obstore.sign_async(self._signing, method, key, timedelta(seconds=seconds))

    def upload(self, token: str) -> Upload:
        return ObstoreUpload(self, token, self._options.chunksize)


def _check_length(key: str, got: int, announced: int) -> None:
    if got != announced:
        raise UnavailableError(key, f"the store sent {got} of the {announced} bytes it announced")
