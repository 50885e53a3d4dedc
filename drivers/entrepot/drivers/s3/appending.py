"""An append that is large enough for parts."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable
from dataclasses import replace
from typing import TypeVar

from entrepot.core import FullError, OffsetError
from entrepot.core.concurrency import each
from entrepot.drivers.s3.answers import Part
from entrepot.drivers.s3.body import Body, Source
from entrepot.drivers.s3.errors import Refused
from entrepot.drivers.s3.parts import MOST_PARTS, Allowance, Flight, size_of_part
from entrepot.drivers.s3.records import Records
from entrepot.drivers.s3.settling import settled
from entrepot.drivers.s3.state import Record
from entrepot.drivers.s3.verbs import Verbs

_RESERVED = 64  # part numbers taken with a record: as many are sent until the next one
_CLAIMS = 5
ResultT = TypeVar("ResultT")


class Appending:
    """Sends parts with numbers that a record reserved, so that no two appends use the same.

    Who comes later takes the upload over: the record of the one before is refused then. So a
    process that died in the middle is in nobody's way.
    """

    def __init__(
        self, verbs: Verbs, records: Records, allowance: Allowance, token: str, record: Record
    ) -> None:
        self._verbs = verbs
        self._records = records
        self._allowance = allowance
        self._token = token
        self._record = record
        self._number = 0  # of the next part
        self._held: list[bytes] = []  # what no part was made of yet
        self._sent = 0
        self._before: tuple[Part, ...] = ()  # of earlier appends

    async def run(self, held: list[bytes], source: Source) -> Record:
        """Append what was pulled and what comes; gives the record that says so.

        Raises OffsetError: if another append, a commit or an abort came between.
        """
        self._held = held
        await self._claim()
        self._before = self._record.parts
        self._held = [*await each(self._records.tail, self._record.tails), *held]
        async with Flight(self._send, self._allowance) as flight:
            try:
                await self._pump(flight, source)
                await self._refusing(flight.landed())
                return await self._keep(flight, finished=True)
            except BaseException:
                await settled(self._keep(flight, finished=False))
                raise

    async def _claim(self) -> None:
        """Say that parts are coming, before there are any."""
        record, begun, stray = self._record, "", False
        mark = record.mark or uuid.uuid4().hex
        try:
            if not record.upload:
                begun, stray = await self._refusing(self._verbs.begin(self._records.staged, mark))
            self._number, self._record = await self._claimed(begun, mark, stray=stray)
        except BaseException:
            await settled(self._drop(begun))
            raise
        if self._record.upload != begun:
            await settled(self._drop(begun))

    async def _claimed(self, begun: str, mark: str, *, stray: bool) -> tuple[int, Record]:
        """The first number that is ours, and the record that says so."""
        record = self._record
        for _ in range(_CLAIMS):
            new = replace(
                record,
                number=record.number + 1,
                upload=record.upload or begun,
                mark=record.mark or mark,
                stray=record.stray or stray,
                free=record.free + _RESERVED,
                last=None,  # its number is used again
            )
            created = await self._records.create(new)
            if created is not None:
                return record.next_number(exact=self._verbs.client.exact), created
            found = await self._records.newest(new.number)
            if found.size != record.size or found.target:
                break
            record = found  # somebody else's claim, which ours follows
        raise OffsetError(self._token, "another append came first")

    async def _drop(self, begun: str) -> None:
        """Abort the multipart upload that we began, unless a record names it."""
        if begun and (await self._records.newest()).upload != begun:
            await self._verbs.abort(self._records.staged, begun)

    async def _pump(self, flight: Flight, source: Source) -> None:
        chunksize = self._verbs.options.chunksize
        full = True
        while full:
            if self._number == self._record.free:
                await self._go_on(flight)
            body, self._held = Body(self._held), []
            self._number += 1
            self._sent += 1
            await self._refusing(flight.add(self._number - 1, body))
            full = await source.take(size_of_part(self._number, chunksize), self._held)

    async def _go_on(self, flight: Flight) -> None:
        """Record what has arrived, and reserve more numbers."""
        free = self._number + _RESERVED
        if free > MOST_PARTS:
            raise FullError(self._token, f"an upload cannot have more than {MOST_PARTS} parts")
        await self._record_parts(await self._refusing(flight.landed()), free, [])

    async def _keep(self, flight: Flight, *, finished: bool) -> Record:
        """Record all that has arrived: a true prefix of what was pulled, or all of it."""
        parts = await flight.prefix()
        held = self._held if len(parts) == self._sent else []
        if not parts:
            return self._record  # what the tails hold is there still
        last = None
        if finished and held:
            # behind all others it may be short; so commit has nothing left to send
            last = await self._refusing(self._send(self._number, Body(held)))
        return await self._record_parts(parts, self._number, held, last)

    async def _record_parts(
        self, parts: list[Part], free: int, held: list[bytes], last: Part | None = None
    ) -> Record:
        all_parts = (*self._before, *parts)
        new = replace(
            self._record,
            number=self._record.number + 1,
            size=sum(part.size for part in all_parts) + sum(map(len, held)),
            parts=all_parts,
            free=free,
            tails=(),
            last=last,
        )
        created = await self._records.create(new, held)
        if created is None:
            raise OffsetError(self._token, "another append took the upload over")
        self._record = created
        return created

    async def _send(self, number: int, body: Body) -> Part:
        return await self._verbs.put_part(self._records.staged, self._record.upload, number, body)

    async def _refusing(self, request: Awaitable[ResultT]) -> ResultT:
        """The request's result. Raises OffsetError: if the multipart upload is gone."""
        try:
            return await request
        except Refused as refused:
            if refused.code == "NoSuchUpload":
                raise OffsetError(self._token, "upload was committed or aborted") from refused
            raise refused.error(self._token) from refused
