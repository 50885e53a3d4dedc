"""Copies on the server's side: one request for small objects, parts for the others."""

from __future__ import annotations

import uuid

from entrepot.core.concurrency import each
from entrepot.drivers.s3.answers import Part, date
from entrepot.drivers.s3.client import header
from entrepot.drivers.s3.errors import Refused
from entrepot.drivers.s3.parts import MOST_PARTS
from entrepot.drivers.s3.settling import settled, unbroken
from entrepot.drivers.s3.verbs import Verbs


async def copy(
    verbs: Verbs, source: str, target: str, size: int, etag: str, mark: str = ""
) -> float:
    """Make whole key `target` an equal of the version `etag` of `source`; gives its time.

    With a `mark` the copy has that one; else one request leaves the source's.

    Raises Refused: 412 if the source is another version by now.
    """
    options = verbs.options
    if size <= options.multipartcopythresholdsize:
        return date(header(await unbroken(verbs.copy(source, target, etag)), "Date"))
    chunk = max(options.multipartcopychunksize, -(-size // MOST_PARTS))
    mark = mark or uuid.uuid4().hex
    upload, _ = await verbs.begin(target, mark)
    try:

        async def one(number: int) -> Part:
            start = (number - 1) * chunk
            part = Part(number, "", min(chunk, size - start))
            return await verbs.copy_part(source, etag, target, upload, part, start)

        numbers = range(1, -(-size // chunk) + 1)
        parts = await each(one, numbers, options.multipartcopymaxconcurrency)
        try:
            answer = await verbs.complete(target, upload, parts)
        except Refused as refused:
            if not refused.perhaps:
                raise
            found = await verbs.marked(target, mark)
            if found is None:
                raise
            answer = found
    except BaseException:
        await settled(verbs.abort(target, upload))
        raise
    return date(header(answer, "Date"))
