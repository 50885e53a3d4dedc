"""The driver: keys are names of objects in one bucket."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import Literal

from entrepot.core import Driver, Entry, Prefix, Upload
from entrepot.drivers.gcs.deleting import Deleting
from entrepot.drivers.gcs.links import Links
from entrepot.drivers.gcs.names import Names
from entrepot.drivers.gcs.objects import Objects
from entrepot.drivers.gcs.pieces import Pieces
from entrepot.drivers.gcs.reading import Reading
from entrepot.drivers.gcs.upload import GcsUpload
from entrepot.drivers.gcs.wire import Wire
from entrepot.drivers.gcs.writing import Target, Writing

_STEP = 256 * 1024  # of a resumable upload's chunks, by Google's rules
_PAST = "!"  # before every character of a key, so that what begins like `after` is past it


class GcsDriver(Driver):
    """Objects of a bucket. A transfer holds `chunksize` bytes at most: two pieces."""

    def __init__(
        self, wire: Wire, names: Names, links: Links, *, batches: bool, chunksize: int
    ) -> None:
        self._wire = wire
        self._names = names
        self._links = links
        self._objects = Objects(wire, names)
        self._writing = Writing(wire, names)
        self._deleting = Deleting(wire, names, batches=batches)
        self._piece = max(chunksize // 2 // _STEP, 1) * _STEP

    async def stat(self, key: str) -> Entry:
        return (await self._objects.find(key)).entry

    async def read(
        self, key: str, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        if stop is not None and stop <= start:
            return
        async with aclosing(Reading(self._wire, self._names, key).chunks(start, stop)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def write(self, key: str, chunks: AsyncIterator[bytes], *, create: bool = False) -> Entry:
        target = Target.of(key, create=create)
        return (await self._writing.store(target, Pieces(chunks, self._piece))).entry

    async def delete(self, keys: Sequence[str]) -> None:
        await self._deleting.delete(keys)

    async def scan(
        self, prefix: str, *, after: str = "", delimiter: str = ""
    ) -> AsyncGenerator[Entry | Prefix, None]:
        start = f"{after}{_PAST}" if after > prefix else ""
        cut = after.find(delimiter, len(prefix)) if delimiter and start else -1
        if cut >= 0 and after.startswith(prefix):
            group = after[: cut + len(delimiter)]
            # whether a group counts that began before startOffset is not documented
            if await self._objects.is_any(group, start=start):
                yield Prefix(group)
            start = group[:-1] + chr(ord(group[-1]) + 1)
        pages = self._objects.pages(prefix, start=start, delimiter=delimiter)
        async with aclosing(pages):
            async for page in pages:
                for item in page.items:
                    if isinstance(item, Prefix):
                        yield item
                    elif item.key > after:
                        yield item.entry

    async def copy(self, source: str, target: str) -> Entry:
        return (await self._objects.copy(source, target)).entry

    async def move(self, source: str, target: str) -> Entry:
        if source == target:
            return await self.stat(source)
        entry = await self.copy(source, target)
        await self._deleting.delete([source])
        return entry

    async def link(self, key: str, method: Literal["GET", "HEAD"], seconds: int) -> str | None:
        return await self._links.link(key, method, seconds)

    def upload(self, token: str) -> Upload:
        return GcsUpload(self._objects, self._writing, self._deleting, token, self._piece)
