"""The driver contract on one container of Swift."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import Literal

import httpx2

from entrepot.core import DeleteError, Driver, Entry, Prefix, StorageError, UnavailableError, Upload
from entrepot.core.concurrency import each
from entrepot_swift.client import Request
from entrepot_swift.errors import broken
from entrepot_swift.large import Segment
from entrepot_swift.links import Links
from entrepot_swift.options import MIB
from entrepot_swift.places import new_id
from entrepot_swift.settling import unbroken
from entrepot_swift.source import Source
from entrepot_swift.store import Store, moment
from entrepot_swift.upload import SwiftUpload


class SwiftDriver(Driver):
    exclusive_create = False  # Swift looks for an object first and lets several through at once

    def __init__(self, store: Store, links: Links | None, chunksize: int) -> None:
        self._store = store
        self._links = links
        self._chunksize = chunksize

    async def stat(self, key: str) -> Entry:
        found = await self._store.head(self._store.places.path(key), key)
        return Entry(key, int(found["Content-Length"]), moment(found))

    async def read(
        self, key: str, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        if stop is not None and stop <= start:
            return
        wanted = {"Accept-Encoding": "identity"}
        if start or stop is not None:
            wanted["Range"] = f"bytes={start}-{'' if stop is None else stop - 1}"
        path = self._store.places.path(key)
        request = Request(key, "GET", path, headers=wanted, expected=(200, 206, 416))
        async with self._store.client.streamed(request) as response:
            if response.status_code == 416:
                return
            if response.status_code == 200 and "Range" in wanted and _length(response):
                raise UnavailableError(key, "Swift ignores that a part was asked for")
            async with aclosing(response.aiter_bytes(MIB)) as chunks:
                while (chunk := await _next(chunks, key)) is not None:
                    yield chunk

    async def write(self, key: str, chunks: AsyncIterator[bytes], *, create: bool = False) -> Entry:
        """One request up to `chunksize`; beyond, segments and a manifest of them."""
        source = Source(chunks)
        body = await source.take(self._chunksize)
        if source.ended:
            return await unbroken(self._store.put(key, body, create=create))
        id_ = new_id()
        try:
            segments = await self._segments(source, body, id_, key)
        except BaseException:
            await unbroken(self._store.clear(id_))
            raise
        return await unbroken(self._store.put_large_or_clear(key, segments, id_, create=create))

    async def _segments(self, source: Source, body: bytes, id_: str, key: str) -> list[Segment]:
        segments = list[Segment]()
        offset = 0
        while body:
            path = self._store.places.segment(id_, offset)
            answer = await unbroken(self._store.put_at(path, key, body))
            segments.append(Segment(path, len(body), answer.headers["Etag"].strip('"')))
            offset += len(body)
            body = await source.take(self._chunksize)
        return segments

    async def delete(self, keys: Sequence[str]) -> None:
        failures = await unbroken(self._delete(list(dict.fromkeys(keys))))
        if failures:
            raise DeleteError(failures)

    async def _delete(self, keys: Sequence[str]) -> dict[str, StorageError]:
        """Objects first, then the segments that were behind those that are gone."""
        failures: dict[str, StorageError] = {}
        segments: dict[str, list[str]] = {}

        async def look(key: str) -> None:
            try:
                segments[key] = await self._store.behind(self._store.places.path(key), key)
            except StorageError as error:
                failures[key] = error

        await each(look, keys)
        paths = {self._store.places.path(key): key for key in segments}
        failures |= await self._store.deleting.delete(paths)
        gone = [path for key in segments if key not in failures for path in segments[key]]
        await self._store.discard(gone)
        return failures

    async def scan(
        self, prefix: str, *, after: str = "", delimiter: str = ""
    ) -> AsyncGenerator[Entry | Prefix, None]:
        async with aclosing(self._store.listing.entries(prefix, after, delimiter)) as pages:
            async for page in pages:
                unsure = [item.key for item in page if isinstance(item, Entry) and item.size < 0]
                sizes = dict(zip(unsure, await each(self._size, unsure), strict=True))
                for item in page:
                    if not isinstance(item, Entry) or item.size >= 0:
                        yield item
                    elif (size := sizes[item.key]) is not None:
                        yield Entry(item.key, size, item.modified)

    async def _size(self, key: str) -> int | None:
        """Of what a listing calls empty; None if it is gone."""
        found = await self._store.find(self._store.places.path(key), key)
        return int(found["Content-Length"]) if found is not None else None

    async def copy(self, source: str, target: str) -> Entry:
        if source == target:
            return await self.stat(source)
        return await unbroken(self._store.copy(source, target))

    async def link(self, key: str, method: Literal["GET", "HEAD"], seconds: int) -> str | None:
        """Signed for GET, which Swift takes for HEAD as well."""
        if self._links is None:
            return None
        return self._links.to(await self._store.client.access(), key, seconds)

    def upload(self, token: str) -> Upload:
        return SwiftUpload(self._store, token, self._chunksize)


def _length(response: httpx2.Response) -> bool:
    """Whether there is anything in an answer."""
    return response.headers.get("Content-Length") != "0"


async def _next(chunks: AsyncGenerator[bytes, None], key: str) -> bytes | None:
    try:
        return await anext(chunks, None)
    except httpx2.HTTPError as error:
        raise broken(key, error) from error
