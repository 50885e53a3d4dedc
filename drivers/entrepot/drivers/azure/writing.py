"""Giving a key its content: whole, at once, with nothing to see before."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing

from entrepot.core import Entry, ExistsError, UnavailableError
from entrepot.drivers.azure.blocks import BINARY, Block, Piece, Stage, conditionally, pieces
from entrepot.drivers.azure.requests import Request, Requests

IF_ABSENT = {"If-None-Match": "*"}


async def write(
    requests: Requests, key: str, chunks: AsyncIterator[bytes], *, create: bool
) -> Entry:
    """Store a stream: of up to 5 MiB with one request, else as blocks and a list of them.

    The blocks wait under the key itself, where nobody sees them and Azure forgets them after
    a week, so there is nothing to remove after a failure and nothing to copy at the end.
    """
    async with aclosing(pieces(chunks)) as cut:
        first = await anext(cut, None) or Piece(0)
        second = await anext(cut, None)
        if second is None:
            return await put(requests, key, first, create=create)
        stage = Stage(requests, key)
        blocks = await stage.add(_after([first, second], cut))
    return await commit(requests, key, stage, blocks, create=create)


async def put(requests: Requests, key: str, piece: Piece, *, create: bool) -> Entry:
    """Store a small object. Raises ExistsError: with `create`, if the key exists."""
    headers = {**BINARY, "x-ms-blob-type": "BlockBlob"}
    request = Request("PUT", key, {}, headers | (IF_ABSENT if create else {}), piece.body)
    if not create:
        answer = await requests.send(request)
    elif (created := await conditionally(requests, request)) is None:
        raise ExistsError(key)
    else:
        answer = created
    return Entry(key, piece.size, answer.modified)


async def commit(
    requests: Requests, key: str, stage: Stage, blocks: Sequence[Block], *, create: bool
) -> Entry:
    """Make staged blocks the object, unless another write to it came between.

    Azure dropped the blocks then. As that write ended after this one began, the order in which
    it is the later one is as good as any: this one is done, and has been replaced already.
    """
    size = sum(block.size for block in blocks)
    answer = await stage.commit(blocks, IF_ABSENT if create else {})
    if answer is not None:
        return Entry(key, size, answer.modified)
    found = await requests.send(Request("HEAD", key, accept=frozenset({"BlobNotFound"})))
    if create and not found.code:
        raise ExistsError(key)
    if found.code or found.modified < stage.began:
        raise UnavailableError(key, "Azure dropped the blocks: the object was deleted meanwhile")
    return Entry(key, size, found.modified)


async def _after(first: list[Piece], rest: AsyncIterator[Piece]) -> AsyncGenerator[Piece, None]:
    for piece in first:
        yield piece
    async for piece in rest:
        yield piece
