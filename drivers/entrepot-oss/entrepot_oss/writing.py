"""Whole objects from streams: one request for small ones, parts for the others."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

from entrepot.core import Entry, FullError
from entrepot_oss.answers import Part, date
from entrepot_oss.client import Answer
from entrepot_oss.errors import Refused, translating
from entrepot_oss.parts import MOST_PARTS, Sending, size_of_part
from entrepot_oss.settling import attempted, unbroken
from entrepot_oss.source import Source
from entrepot_oss.verbs import Verbs, entry_of


async def write(verbs: Verbs, key: str, chunks: AsyncIterator[bytes], *, create: bool) -> Entry:
    """Store a stream under a key of the driver."""
    source = Source(chunks)
    body, error = await source.take(verbs.chunksize)
    if error is not None:
        raise error
    if source.ended:
        return await unbroken(put(verbs, key, body, create=create))
    return await _in_parts(verbs, key, body, source, create=create)


async def put(
    verbs: Verbs, key: str, body: bytes, *, create: bool = False, mark: str = ""
) -> Entry:
    """Store content that is at hand, in one request.

    Raises ExistsError: with `create`; not for what an attempt of this very call wrote.
    """
    mark = uuid.uuid4().hex if create else mark
    with translating(key):
        try:
            answer = await verbs.put(verbs.root + key, body, mark=mark, create=create)
        except Refused as refused:
            if not (create and refused.perhaps):
                raise
            found = await verbs.marked(verbs.root + key, mark)
            if found is None:
                raise
            return entry_of(key, found)
    return Entry(key, len(body), date(answer.headers.get("Date", "")))


async def _in_parts(verbs: Verbs, key: str, body: bytes, source: Source, *, create: bool) -> Entry:
    """Straight to the final key, where nothing is seen before the upload is completed."""
    name, mark = verbs.root + key, uuid.uuid4().hex
    with translating(key):
        upload = await unbroken(verbs.begin(name, mark))
    try:
        parts = await _sent(verbs, key, upload, body, source)
        with translating(key):
            answer = await unbroken(completed(verbs, name, upload, parts, mark, create=create))
    except BaseException:
        await attempted(verbs.abort(name, upload))
        raise
    return Entry(key, sum(part.size for part in parts), date(answer.headers.get("Date", "")))


async def _sent(verbs: Verbs, key: str, upload: str, body: bytes, source: Source) -> list[Part]:
    async def send(number: int, body: bytes) -> Part:
        return await verbs.put_part(verbs.root + key, upload, number, body)

    number = 0
    async with Sending(send) as sending:
        while body:
            number += 1
            if number > MOST_PARTS:
                raise FullError(key, f"an object cannot have more than {MOST_PARTS} parts")
            with translating(key):
                await sending.add(number, body)
            body, error = await source.take(size_of_part(number + 1, verbs.chunksize))
            if error is not None:
                raise error
        with translating(key):
            await sending.arrived()
        return sending.parts


async def completed(
    verbs: Verbs,
    name: str,
    upload: str,
    parts: list[Part],
    mark: str,
    *,
    create: bool = False,
) -> Answer:
    """Make an object of parts; if an answer was lost, what is there tells by the mark."""
    try:
        return await verbs.complete(name, upload, parts, create=create)
    except Refused as refused:
        if not refused.perhaps:
            raise
        found = await verbs.marked(name, mark)
        if found is None:
            raise
        return found
