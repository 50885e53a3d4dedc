"""Uploads that any process continues: a multipart upload of OSS, and records of it."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any

from entrepot.core import Entry, FullError, OffsetError, Upload
from entrepot_oss.answers import Part
from entrepot_oss.client import Answer
from entrepot_oss.copying import copy
from entrepot_oss.errors import Refused, translating
from entrepot_oss.parts import MOST_PARTS, Sending, least_of_part, size_of_part
from entrepot_oss.records import Record, Records
from entrepot_oss.settling import attempted, unbroken
from entrepot_oss.source import Source
from entrepot_oss.verbs import Verbs, entry_of
from entrepot_oss.writing import put

_RESERVED = 64  # part numbers taken with a record: as many are sent until the next one


@dataclass(frozen=True, slots=True)
class _State:
    """What is there of an upload: its record without an append under way, and its parts."""

    record: Record
    parts: tuple[Part, ...] = ()

    @property
    def size(self) -> int:
        if self.record.target:
            return self.record.size
        return sum(part.size for part in self.parts) + len(self.record.tail)


class OssUpload(Upload):
    """One upload. What it saw last it tries first: creations fail where that is out of date."""

    def __init__(self, verbs: Verbs, token: str) -> None:
        self._verbs = verbs
        self._token = token
        self._records = Records(verbs, token)
        self._seen: _State | None = None

    async def size(self) -> int:
        self._seen = await self._state()
        return self._seen.size

    async def _state(self) -> _State:
        record = await self._records.newest()
        if not record.upload:
            return _State(record)
        try:
            with translating(self._token):
                listed = await self._listed(record)
        except OffsetError:
            # completed by a commit; else aborted, by an abort that did not come to its end
            return _State(record if record.target else Record(record.number))
        found = record.found(listed)
        parts = (*record.accepted(listed), *found)
        if found:  # whose first one begins with the tail
            record = replace(record, tail=b"")
        return _State(record.with_kept(record.open, record.open + len(found) - 1), parts)

    async def _listed(self, record: Record) -> list[Part]:
        try:
            return await self._verbs.parts(self._records.staged, record.upload)
        except Refused as refused:
            if refused.upload_gone:
                raise self._ended() from refused
            raise

    # -- growing ------------------------------------------------------------------------

    async def append(self, chunks: AsyncIterator[bytes], offset: int) -> int:
        """What came before a broken stream broke is kept; of a cancelled one, whole parts."""
        state = await self._at(offset)
        record, source = state.record, Source(chunks)
        wanted = size_of_part(record.free, self._verbs.chunksize)
        body, error = await source.take(wanted, record.tail)
        if len(body) > len(record.tail):
            if source.ended and len(body) < least_of_part(record.free):
                small = replace(record, number=record.number + 1, tail=body)
                state = _State(small, state.parts)
                await unbroken(self._create(small))
            else:
                state, error = await self._append(state, body, source, error)
            self._seen = state
        if error is not None:
            raise error
        return state.size

    async def _at(self, offset: int) -> _State:
        state, self._seen = self._seen, None
        if state is None or state.size != offset:
            state = await self._state()
        if state.size != offset:
            raise OffsetError(self._token, f"upload holds {state.size} bytes, not {offset}")
        if state.record.target:
            raise OffsetError(self._token, "upload is being committed")
        return state

    async def _append(
        self, state: _State, body: bytes, source: Source, error: Exception | None
    ) -> tuple[_State, Exception | None]:
        """Send parts with numbers that a record reserved, so that no two appends use the same.

        Who comes later takes the upload over: the next record of the one before is refused then.
        So a process that died in the middle is in nobody's way.
        """
        record = await unbroken(self._claim(state.record))
        number = record.open
        async with Sending(self._sender(record)) as sending:
            while len(body) >= least_of_part(number) or not source.ended:
                if number > MOST_PARTS:
                    raise FullError(self._token, f"an upload has no more than {MOST_PARTS} parts")
                if number == record.free:
                    await sending.arrived()
                    record = await unbroken(self._go_on(record, number))
                await sending.add(number, body)
                number += 1
                body, failure = await source.take(size_of_part(number, self._verbs.chunksize))
                error = error or failure
            await sending.arrived()
        record = record.with_kept(record.open, number - 1)
        record = replace(record, number=record.number + 1, free=number, tail=body)
        await unbroken(self._create(record))
        return _State(record, (*state.parts, *sending.parts)), error

    def _sender(self, record: Record) -> Callable[[int, bytes], Coroutine[Any, Any, Part]]:
        async def send(number: int, body: bytes) -> Part:
            staged = self._records.staged
            try:
                return await self._verbs.put_part(staged, record.upload, number, body)
            except Refused as refused:
                if refused.upload_gone:
                    raise self._ended() from refused
                raise refused.error(self._token) from refused

        return send

    async def _claim(self, record: Record) -> Record:
        """Say that parts are coming, before there are any."""
        mark, begun = record.mark or uuid.uuid4().hex, ""
        if not record.upload:
            with translating(self._token):
                begun = await self._verbs.begin(self._records.staged, mark)
        claim = replace(
            record,
            number=record.number + 1,
            mark=mark,
            upload=record.upload or begun,
            open=record.free,
            free=record.free + _RESERVED,
        )
        try:
            await self._create(claim)
        except BaseException:
            if begun:
                await attempted(self._verbs.abort(self._records.staged, begun))
            raise
        return claim

    async def _go_on(self, record: Record, number: int) -> Record:
        """Record what has arrived, and reserve more numbers."""
        kept = record.with_kept(record.open, number - 1)
        more = replace(
            kept, number=record.number + 1, open=number, free=number + _RESERVED, tail=b""
        )
        await self._create(more)
        return more

    async def _create(self, record: Record) -> None:
        """Raises OffsetError: if somebody else made the record of that number."""
        if not await self._records.create(record):
            raise OffsetError(self._token, "another append or a commit came first")

    # -- ending -------------------------------------------------------------------------

    async def commit(self, key: str, size: int) -> Entry:
        state, self._seen = self._seen, None
        if state is None or state.size != size:
            state = await self._state()
        if state.size != size:
            raise OffsetError(self._token, f"upload holds {state.size} bytes, not {size}")
        return await unbroken(self._commit(state, key))

    async def _commit(self, state: _State, key: str) -> Entry:
        record = state.record
        if record.number < 0:
            return await put(self._verbs, key, b"")
        if not record.target:
            record = replace(record, number=record.number + 1, target=key, size=state.size)
            await self._create(record)
        if record.upload:
            entry = await self._whole(record, list(state.parts), key)
        else:
            entry = await put(self._verbs, key, record.tail)
        await self._records.remove(record)
        return entry

    async def _whole(self, record: Record, parts: list[Part], key: str) -> Entry:
        """Complete the multipart upload, then copy it to where it belongs."""
        verbs, staged = self._verbs, self._records.staged
        failure: Refused | None = None
        with translating(key):
            try:
                if record.tail:
                    parts.append(
                        await verbs.put_part(staged, record.upload, record.free, record.tail)
                    )
                await verbs.complete(staged, record.upload, parts)
            except Refused as refused:
                if not (refused.perhaps or refused.upload_gone):
                    raise
                failure = refused
            found = await verbs.marked(staged, record.mark)
            if found is None and failure is not None and not failure.upload_gone:
                raise failure
            if found is None:
                return await self._was_committed(record, key)
            try:
                etag, target = found.headers.get("ETag", ""), verbs.root + key
                modified = await copy(verbs, staged, target, record.size, etag, record.mark)
            except Refused as refused:
                if not refused.absent:
                    raise
                return await self._was_committed(record, key)
        return Entry(key, record.size, modified)

    async def _was_committed(self, record: Record, key: str) -> Entry:
        """The object, if an earlier try got as far as that."""
        found: Answer | None = await self._verbs.marked(self._verbs.root + key, record.mark)
        if found is None:
            raise self._ended()
        return entry_of(key, found)

    async def abort(self) -> None:
        self._seen = None
        await unbroken(self._abort())

    async def _abort(self) -> None:
        newest = await self._records.newest()
        await self._records.abort_all()
        if newest.number >= 0:
            await self._records.remove(newest)

    def _ended(self) -> OffsetError:
        return OffsetError(self._token, "upload was committed or aborted meanwhile")
