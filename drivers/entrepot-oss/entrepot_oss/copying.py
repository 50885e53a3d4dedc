"""Copies inside OSS: one request for objects of up to 1 GiB, parts for the others."""

from __future__ import annotations

import uuid

from entrepot.core.concurrency import each
from entrepot_oss.answers import Part, date
from entrepot_oss.options import MIB
from entrepot_oss.parts import MOST_PARTS
from entrepot_oss.settling import attempted, unbroken
from entrepot_oss.verbs import Verbs
from entrepot_oss.writing import completed

_WHOLE = 1024 * MIB  # bytes that one request copies, by the protocol
_PART = 256 * MIB
_WIDTH = 8  # parts of one copy under way


async def copy(
    verbs: Verbs, source: str, target: str, size: int, etag: str, mark: str = ""
) -> float:
    """Make name `target` an equal of the version `etag` of `source`; gives its time.

    Raises Refused: 412 if the source is another version by now.
    """
    if size <= _WHOLE:
        answer = await unbroken(verbs.copy(source, target, size, etag))
        return date(answer.headers.get("Date", ""))
    chunk = max(_PART, -(-size // MOST_PARTS))
    mark = mark or uuid.uuid4().hex
    upload = await unbroken(verbs.begin(target, mark))

    async def one(number: int) -> Part:
        start = (number - 1) * chunk
        part = Part(number, "", min(chunk, size - start))
        return await verbs.copy_part(source, etag, target, upload, part, start)

    try:
        parts = await each(one, range(1, -(-size // chunk) + 1), _WIDTH)
        answer = await unbroken(completed(verbs, target, upload, parts, mark))
    except BaseException:
        await attempted(verbs.abort(target, upload))
        raise
    return date(answer.headers.get("Date", ""))
