"""Uploads that any process continues: parts of a multipart upload, and records of them."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from entrepot.core import Entry, NotFoundError, OffsetError, Upload
from entrepot.core.concurrency import each
from entrepot.drivers.s3.answers import Part, parsed, text_of
from entrepot.drivers.s3.appending import Appending
from entrepot.drivers.s3.body import Body, Source
from entrepot.drivers.s3.client import header
from entrepot.drivers.s3.copying import copy
from entrepot.drivers.s3.errors import Refused, translating
from entrepot.drivers.s3.parts import Allowance, size_of_part
from entrepot.drivers.s3.records import Records
from entrepot.drivers.s3.settling import settled
from entrepot.drivers.s3.state import Record
from entrepot.drivers.s3.verbs import Verbs, entry_of
from entrepot.drivers.s3.writing import Writer


class S3Upload(Upload):
    """One upload. What it read last it tries first: the store refuses what is out of date."""

    def __init__(self, verbs: Verbs, writer: Writer, allowance: Allowance, token: str) -> None:
        self._verbs = verbs
        self._writer = writer
        self._allowance = allowance
        self._token = token
        self._records = Records(verbs, writer, token)
        self._seen: Record | None = None

    async def size(self) -> int:
        self._seen = await self._records.newest()
        return self._seen.size

    async def append(self, chunks: AsyncIterator[bytes], offset: int) -> int:
        record = await self._at(offset)
        held: list[bytes] = []
        number = record.next_number(exact=self._verbs.client.exact)
        room = size_of_part(number, self._verbs.options.chunksize)
        waiting = sum(tail.size for tail in record.tails)
        error: BaseException | None = None
        source = Source(chunks)
        try:
            full = await source.take(room - waiting, held)
        except BaseException as raised:
            full, error = False, raised
        if not full:
            if not held and error is not None:
                raise error
            small = self._small(record, held, offset)
            if error is not None:
                await settled(small)
                raise error
            return (await small).size
        appending = Appending(self._verbs, self._records, self._allowance, self._token, record)
        self._seen = None
        self._seen = await appending.run(held, source)
        return self._seen.size

    async def _small(self, record: Record, content: list[bytes], offset: int) -> Record:
        """Keep bytes that make no part yet, together with those of records not larger.

        So a byte is written again only when what it lies with has at least doubled.
        """
        if not content:
            return record
        end = offset + sum(map(len, content))
        while True:
            merged, tails, size = content, list(record.tails), end - offset
            while tails and tails[-1].size <= size:
                size += tails[-1].size
                merged = [await self._records.tail(tails.pop()), *merged]
            new = replace(
                record,
                number=record.number + 1,
                size=end,
                mark=record.mark or uuid.uuid4().hex,
                tails=tuple(tails),
                last=None,
            )
            created = await self._records.create(new, merged)
            if created is not None:
                self._seen = created
                return created
            record = self._check(await self._records.newest(new.number), offset)

    async def _at(self, offset: int) -> Record:
        """The newest record, or the one seen last, which must end at `offset`.

        Raises OffsetError: if it does not, or is being committed.
        """
        record = self._seen
        if record is None or record.size != offset or record.target:
            record = await self._records.newest()
        return self._check(record, offset)

    def _check(self, record: Record, offset: int) -> Record:
        self._seen = record
        if record.size != offset:
            raise OffsetError(self._token, f"upload holds {record.size} bytes, not {offset}")
        if record.target:
            raise OffsetError(self._token, "upload is being committed")
        return record

    # -- the end ------------------------------------------------------------------------

    async def commit(self, key: str, size: int) -> Entry:
        record = self._seen if self._seen and self._seen.size == size else None
        while True:
            record = record or await self._records.newest()
            if record.size != size:
                raise OffsetError(self._token, f"upload holds {record.size} bytes, not {size}")
            if record.number < 0:
                return await self._writer.put(key, Body(()))
            if record.target:
                break
            claim = replace(record, number=record.number + 1, target=key)
            record = await self._records.create(claim)
            if record is not None:
                break
            record = await self._records.newest(claim.number)
        self._seen = None
        entry = await (self._whole(record, key) if record.upload else self._joined(record, key))
        await self._records.remove(record)
        return entry

    async def _joined(self, record: Record, key: str) -> Entry:
        """Write what no part was made of."""
        try:
            chunks = await each(self._records.tail, record.tails)
        except NotFoundError as error:
            return await self._was_committed(record, key, error)
        return await self._writer.put(key, Body(chunks), mark=record.mark)

    async def _whole(self, record: Record, key: str) -> Entry:
        """Complete the multipart upload, then copy it to where it belongs."""
        staged = self._records.staged
        etag = ""
        with translating(key):
            try:
                parts = await self._all_parts(record)
                answer = await self._verbs.complete(staged, record.upload, parts)
                etag = text_of(parsed(answer.body), "ETag")
            except Refused as refused:
                if not (refused.perhaps or refused.status == 404 or refused.code == "InvalidPart"):
                    raise
                found = await self._verbs.marked(staged, record.mark)
                if found is None and refused.status == 404:
                    return await self._was_committed(record, key, refused)
                if found is None:
                    raise
                etag = header(found, "ETag")
            modified = await copy(
                self._verbs, staged, self._verbs.root + key, record.size, etag, record.mark
            )
        return Entry(key, record.size, modified)

    async def _all_parts(self, record: Record) -> Sequence[Part]:
        if not record.tails:
            return record.parts
        if record.last is not None:
            return (*record.parts, record.last)
        body = Body(await each(self._records.tail, record.tails))
        number = record.next_number(exact=self._verbs.client.exact)
        part = await self._verbs.put_part(self._records.staged, record.upload, number, body)
        return (*record.parts, part)

    async def _was_committed(self, record: Record, key: str, error: Exception) -> Entry:
        """The object, if an earlier try got as far as that. Raises OffsetError: if not."""
        with translating(key):
            found = await self._verbs.marked(self._verbs.root + key, record.mark)
        if found is None:
            raise OffsetError(self._token, "upload was aborted meanwhile") from error
        return entry_of(key, found)

    async def abort(self) -> None:
        self._seen = None
        await self._records.abort()
