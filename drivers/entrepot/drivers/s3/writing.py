"""Whole objects from streams: one request for small ones, parts for the others."""

from __future__ import annotations

import asyncio
import tempfile
import uuid
from collections.abc import AsyncIterator
from typing import BinaryIO, cast

from entrepot.core import Entry, FullError
from entrepot.drivers.s3.answers import Part, date
from entrepot.drivers.s3.body import Body, FileBody, Source
from entrepot.drivers.s3.client import Answer, header
from entrepot.drivers.s3.errors import Refused, translating
from entrepot.drivers.s3.parts import MOST_PARTS, Allowance, Flight, size_of_part
from entrepot.drivers.s3.settling import settled
from entrepot.drivers.s3.verbs import Verbs, entry_of

_PIECE = 1024 * 1024
_SINGLE = 5 * 1024 * 1024 * 1024  # bytes that one request can store, by the protocol


class Writer:
    def __init__(self, verbs: Verbs, allowance: Allowance) -> None:
        self._verbs = verbs
        self._allowance = allowance

    async def write(self, key: str, chunks: AsyncIterator[bytes], *, create: bool) -> Entry:
        """Store a stream under a key of the driver."""
        held: list[bytes] = []
        source = Source(chunks)
        full = await source.take(self._verbs.options.chunksize, held)
        if not (full and await source.more()):
            return await self.put(key, Body(held), create=create)
        if create and not self._verbs.conditional_complete:
            return await self._spooled(key, held, source)
        return await self._in_parts(key, held, source, create=create)

    async def put(self, key: str, body: Body, *, create: bool = False, mark: str = "") -> Entry:
        """Store content that is at hand, in one request.

        Raises ExistsError: with `create`; not for what an attempt of this very call wrote.
        """
        if create:
            mark = uuid.uuid4().hex
        whole = self._verbs.root + key
        with translating(key):
            try:
                answer = await self._verbs.put(whole, body, mark=mark, create=create)
            except Refused as refused:
                if not (create and refused.exists and refused.perhaps):
                    raise
                found = await self._verbs.marked(whole, mark)
                if found is None:
                    raise
                return entry_of(key, found)
        return Entry(key, body.size, date(header(answer, "Date")))

    async def _in_parts(
        self, key: str, held: list[bytes], source: Source, *, create: bool
    ) -> Entry:
        """Straight to the final key, where nothing is seen before the upload is completed."""
        whole, mark = self._verbs.root + key, uuid.uuid4().hex
        with translating(key):
            upload, _ = await self._verbs.begin(whole, mark)
        try:
            parts = await self._send(key, upload, held, source)
            with translating(key):
                answer = await self._completed(whole, upload, parts, mark, create=create)
        except BaseException:
            await settled(self._verbs.abort(whole, upload))
            raise
        return Entry(key, sum(part.size for part in parts), date(header(answer, "Date")))

    async def _send(self, key: str, upload: str, held: list[bytes], source: Source) -> list[Part]:
        whole, chunksize = self._verbs.root + key, self._verbs.options.chunksize

        async def send(number: int, body: Body) -> Part:
            return await self._verbs.put_part(whole, upload, number, body)

        async with Flight(send, self._allowance) as flight:
            for number in range(1, MOST_PARTS + 1):
                with translating(key):
                    await flight.add(number, Body(held))
                held = []
                await source.take(size_of_part(number + 1, chunksize), held)
                if not held:
                    with translating(key):
                        return await flight.landed()
        raise FullError(key, f"an object cannot have more than {MOST_PARTS} parts")

    async def _completed(
        self, whole: str, upload: str, parts: list[Part], mark: str, *, create: bool
    ) -> Answer:
        try:
            return await self._verbs.complete(whole, upload, parts, create=create)
        except Refused as refused:
            if not refused.perhaps:
                raise
            # it may be done: what is there tells, by the mark it was begun with
            found = await self._verbs.marked(whole, mark)
            if found is None:
                raise
            return found

    async def _spooled(self, key: str, held: list[bytes], source: Source) -> Entry:
        """Exclusively where only a single request is known to be: its size is needed first."""
        file = cast("BinaryIO", await asyncio.to_thread(tempfile.TemporaryFile))
        try:
            size = 0
            while held:
                size += await asyncio.to_thread(file.write, b"".join(held))
                if size > _SINGLE:
                    raise FullError(key, f"cannot create more than {_SINGLE} bytes exclusively")
                held = []
                await source.take(_PIECE, held)
            return await self.put(key, FileBody(file, size), create=True)
        finally:
            file.close()
