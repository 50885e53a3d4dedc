"""Blobs put together from blocks that are sent side by side."""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from entrepot.core import FullError
from entrepot.drivers.azure.requests import Answer, Request, Requests

MIB = 1024 * 1024
BLOCK = 5 * MIB
"""Bytes of a block. 50,000 of them are 244 GiB; Azure is quicker with more than 4 MiB."""

WIDTH = 2  # blocks of one stream on their way, while a third one fills: 15 MiB
MOST = 50_000  # blocks that Azure lets a blob have

WRITER = "x-ms-meta-entrepotwriter"
"""Tells, after an answer was lost, whether a conditional write was this one's."""

BINARY = {"x-ms-blob-content-type": "application/octet-stream"}
LOST = frozenset({"BlobAlreadyExists", "BlobNotFound", "ConditionNotMet", "InvalidBlockList"})
"""What Azure says to a write whose condition does not hold, or whose blocks are gone."""

Part = Sequence[bytes | memoryview]


@dataclass(frozen=True, slots=True)
class Block:
    id: str
    size: int  # bytes


@dataclass(frozen=True, slots=True)
class Piece:
    """What a block is to have: bytes, or headers that say where Azure gets them."""

    size: int
    body: Part = ()
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)


async def pieces(chunks: AsyncIterator[bytes], size: int = BLOCK) -> AsyncGenerator[Piece, None]:
    """A stream cut into pieces of `size`, the last one smaller; nothing is copied."""
    part: list[bytes | memoryview] = []
    room = size
    async for chunk in chunks:
        rest: bytes | memoryview = chunk
        while len(rest) >= room:
            part.append(memoryview(rest)[:room])
            rest = memoryview(rest)[room:]
            yield Piece(size, part)
            part, room = [], size
        if rest:
            part.append(rest)
            room -= len(rest)
    if part:
        yield Piece(size - room, part)


class Stage:
    """Blocks that one writer adds to a blob; nobody sees them before `commit`.

    Their IDs are the writer's own. Azure forgets the blocks that a committed list leaves out,
    so of two writers the later one's commit fails, and their bytes never mix.
    """

    def __init__(self, requests: Requests, key: str) -> None:
        self.began = 0.0  # Azure's time, when it got the first block
        self._requests = requests
        self._key = key
        self._writer = secrets.token_hex(6)
        self._count = 0

    async def add(self, pieces: AsyncGenerator[Piece, None], width: int = WIDTH) -> Sequence[Block]:
        """Send blocks, some side by side; gives them in order. Closes `pieces`."""
        room = asyncio.Semaphore(width)
        sent: list[Block] = []

        async def send(block: Block, piece: Piece) -> None:
            query = {"comp": "block", "blockid": block.id}
            request = Request("PUT", self._key, query, piece.headers, piece.body)
            answer = await self._requests.send(request)
            self.began = self.began or answer.date
            room.release()

        try:
            async with aclosing(pieces), asyncio.TaskGroup() as group:
                async for piece in pieces:
                    await room.acquire()
                    sent.append(Block(self._next(), piece.size))
                    group.create_task(send(sent[-1], piece))
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        return sent

    async def commit(self, blocks: Sequence[Block], condition: Mapping[str, str]) -> Answer | None:
        """Make the blob consist of these blocks; None if the condition does not hold."""
        if len(blocks) > MOST:
            raise FullError(self._key, f"it has more than the {MOST} blocks that Azure allows")
        request = Request(
            "PUT", self._key, {"comp": "blocklist"}, {**BINARY, **condition}, [_listed(blocks)]
        )
        return await conditionally(self._requests, request)

    def _next(self) -> str:
        """IDs of a blob all have one length; this text needs no escaping in a URL."""
        self._count += 1
        return base64.b64encode(f"{self._writer}{self._count:06d}".encode()).decode()


async def conditionally(requests: Requests, request: Request) -> Answer | None:
    """A write with a condition; None if it does not hold.

    A try whose answer was lost may have been the one that won, and made the condition fail
    for the next: then what is there bears this write's mark. Nobody here can count the tries,
    for aiohttp repeats a PUT by itself when a connection breaks.
    """
    writer = secrets.token_hex(8)
    headers = {**request.headers, WRITER: writer}
    marked = Request("PUT", request.key, request.query, headers, request.body, LOST)
    answer = await requests.send(marked)
    if not answer.code:
        return answer
    found = await requests.send(Request("HEAD", request.key, accept=LOST))
    return found if found.headers.get(WRITER) == writer else None


def _listed(blocks: Sequence[Block]) -> bytes:
    ids = "".join(f"<Latest>{block.id}</Latest>" for block in blocks)
    return f'<?xml version="1.0" encoding="utf-8"?><BlockList>{ids}</BlockList>'.encode()
