"""The driver: keys are the names of block blobs."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import Literal

from azure.storage.blob.aio import ContainerClient
from entrepot.core import Driver, Entry, Prefix, Upload
from entrepot.drivers.azure.access import Access
from entrepot.drivers.azure.copying import Copying, Version
from entrepot.drivers.azure.deleting import Deleting
from entrepot.drivers.azure.listing import Listing
from entrepot.drivers.azure.reading import read
from entrepot.drivers.azure.requests import Answer, Request, Requests
from entrepot.drivers.azure.upload import AzureUpload
from entrepot.drivers.azure.writing import write


class AzureDriver(Driver):
    """Objects as block blobs of one container, which exists."""

    def __init__(self, requests: Requests, access: Access, client: ContainerClient) -> None:
        self._requests = requests
        self._access = access
        self._copying = Copying(requests, access)
        self._deleting = Deleting(requests, client)
        self._listing = Listing(requests)

    async def stat(self, key: str) -> Entry:
        return _entry(key, await self._head(key))

    async def read(
        self, key: str, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        async with aclosing(read(self._requests, key, start, stop)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def write(self, key: str, chunks: AsyncIterator[bytes], *, create: bool = False) -> Entry:
        return await write(self._requests, key, chunks, create=create)

    async def delete(self, keys: Sequence[str]) -> None:
        await self._deleting.delete(keys)

    async def scan(
        self, prefix: str, *, after: str = "", delimiter: str = ""
    ) -> AsyncGenerator[Entry | Prefix, None]:
        async with aclosing(self._listing.scan(prefix, after, delimiter)) as items:
            async for item in items:
                yield item

    async def copy(self, source: str, target: str) -> Entry:
        found = await self._head(source)
        entry = _entry(source, found)
        if source == target:
            return entry
        return await self._copying.copy(Version(source, entry.size, found.etag), target)

    async def link(self, key: str, method: Literal["GET", "HEAD"], seconds: int) -> str | None:
        return await self._access.link(key, seconds)

    def upload(self, token: str) -> Upload:
        return AzureUpload(self._requests, self._copying, self._deleting, token)

    async def _head(self, key: str) -> Answer:
        return await self._requests.send(Request("HEAD", key))


def _entry(key: str, answer: Answer) -> Entry:
    return Entry(key, int(answer.headers["content-length"]), answer.modified)
