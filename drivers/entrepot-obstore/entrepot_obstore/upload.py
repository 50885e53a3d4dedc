"""Uploads without the store's own sessions, which obstore cannot hold open between requests.

Each append is a record `<token>/data/<offset>`, created exclusively: one line of JSON, then the
bytes themselves if they are few. Many bytes are an object of their own beside it, which the
record names; it is stored before the record, so a crash leaves at most an object that nobody
counts and that the end of the upload removes.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from entrepot.core import Entry, ExistsError, NotFoundError, OffsetError, Upload
from entrepot.core.concurrency import each
from entrepot_obstore.options import MIB
from entrepot_obstore.streams import Stream

if TYPE_CHECKING:
    from entrepot_obstore.driver import ObstoreDriver

_HEADER = 128  # bytes that surely hold a record's line
_OBJECT_LIMIT = 16 * 1024 * MIB  # bytes of one object: its parts are of one size and limited


@dataclass(frozen=True, slots=True)
class _Part:
    """One append. Without `name`, its bytes stand behind `header` bytes of the record."""

    record: str  # key
    offset: int
    size: int  # bytes
    name: str
    header: int

    @property
    def end(self) -> int:
        return self.offset + self.size

    def source(self, prefix: str) -> tuple[str, int]:
        return (prefix + self.name, 0) if self.name else (self.record, self.header)


class ObstoreUpload(Upload):
    def __init__(self, driver: ObstoreDriver, token: str, chunksize: int) -> None:
        self._driver = driver
        self._prefix = f"{token}/data/"
        self._chunksize = chunksize

    async def size(self) -> int:
        records = await self._records()
        end = (await self._part(records[-1])).end if records else 0
        while (further := await self._find(end)) is not None:  # a listing may be behind
            end = further.end
        return end

    async def append(self, chunks: AsyncIterator[bytes], offset: int) -> int:
        """What came before a broken stream broke is kept; of a cancelled one, whole objects."""
        await self._check(offset)
        stream = Stream(chunks, self._chunksize, tolerant=True)
        start = await stream.start()
        if stream.ended:
            if start:
                await self._record(offset, len(start), content=start)
                offset += len(start)
        else:
            offset = await self._append_objects(stream, offset)
        if stream.error is not None:
            raise stream.error
        return offset

    async def _append_objects(self, stream: Stream, offset: int) -> int:
        while True:
            before = stream.size
            name = f"part-{uuid.uuid4().hex}"
            await self._driver.put_stream(self._prefix + name, stream, _OBJECT_LIMIT)
            size = stream.size - before
            if not size:
                await self._driver.delete([self._prefix + name])
                return offset
            try:
                await self._record(offset, size, name=name)
            except OffsetError:
                await self._driver.delete([self._prefix + name])
                raise
            offset += size
            if stream.ended:
                return offset

    async def _record(
        self, offset: int, size: int, *, name: str = "", content: bytes = b""
    ) -> None:
        header = json.dumps({"size": size, "object": name}).encode() + b"\n"
        try:
            await self._driver.create(self._record_key(offset), header + content)
        except ExistsError as error:
            raise OffsetError(self._prefix, f"another append began at {offset}") from error

    async def commit(self, key: str, size: int) -> Entry:
        """One object that holds all is copied by the store; anything else passes through here."""
        parts = await self._parts()
        held = parts[-1].end if parts else 0
        if held != size:
            raise OffsetError(self._prefix, f"upload holds {held} bytes, not {size}")
        try:
            if len(parts) == 1 and parts[0].name:
                entry = await self._driver.copy(self._prefix + parts[0].name, key)
            else:
                entry = await self._driver.write(key, self._joined(parts))
        except NotFoundError as error:
            raise OffsetError(self._prefix, "upload was committed or aborted meanwhile") from error
        await self.abort()
        return entry

    async def abort(self) -> None:
        """In one request where the store can: half a removal is hard to tell from an upload."""
        async with aclosing(self._driver.scan(self._prefix)) as held:
            await self._driver.delete([item.key async for item in held])

    async def _check(self, offset: int) -> None:
        size = await self.size()
        if size != offset:
            raise OffsetError(self._prefix, f"upload holds {size} bytes, not {offset}")

    async def _records(self) -> list[str]:
        """The keys of the appends, in order; none if the first is missing."""
        async with aclosing(self._driver.scan(self._prefix)) as held:
            keys = [item.key async for item in held]
        records = [key for key in keys if key.removeprefix(self._prefix).isdecimal()]
        return records if self._record_key(0) in records else []

    async def _parts(self) -> list[_Part]:
        """The appends up to the first gap, those that a listing does not show yet too."""
        listed = {part.offset: part for part in await each(self._part, await self._records())}
        parts: list[_Part] = []
        end = 0
        while (part := listed.get(end) or await self._find(end)) is not None:
            parts.append(part)
            end = part.end
        return parts

    async def _find(self, offset: int) -> _Part | None:
        try:
            return await self._part(self._record_key(offset))
        except NotFoundError:
            return None

    def _record_key(self, offset: int) -> str:
        return f"{self._prefix}{offset:020d}"

    async def _part(self, record: str) -> _Part:
        async with aclosing(self._driver.read(record, 0, _HEADER)) as chunks:
            start = b"".join([chunk async for chunk in chunks])
        line, _, _ = start.partition(b"\n")
        said = json.loads(line)
        offset = int(record.removeprefix(self._prefix))
        return _Part(record, offset, said["size"], said["object"], len(line) + 1)

    async def _joined(self, parts: list[_Part]) -> AsyncGenerator[bytes, None]:
        for part in parts:
            key, start = part.source(self._prefix)
            async with aclosing(self._driver.read(key, start)) as chunks:
                async for chunk in chunks:
                    yield chunk
