"""Uploads: one block blob that grows, under `<token>/data`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from xml.etree import ElementTree as ET

from entrepot.core import Entry, NotFoundError, OffsetError, Upload
from entrepot.drivers.azure.blocks import (
    BINARY,
    BLOCK,
    MIB,
    Block,
    Piece,
    Stage,
    conditionally,
    pieces,
)
from entrepot.drivers.azure.copying import Copying, Version
from entrepot.drivers.azure.deleting import Deleting
from entrepot.drivers.azure.reading import read
from entrepot.drivers.azure.requests import Request, Requests
from entrepot.drivers.azure.writing import IF_ABSENT, put

_KEPT = 32  # blocks after which they are made durable: what a crash costs at most, 160 MiB
_SMALL = 4 * MIB  # bytes of a block that is put together with its neighbours
_SMALLS = 64  # blocks as small as that at the end, before it is done
_MANY = 1000  # blocks of all sizes, from which on it is done sooner: Azure allows 50,000
_ABSENT = frozenset({"BlobNotFound"})


@dataclass(frozen=True, slots=True)
class _Held:
    """What an upload has; `etag` changes with every append, and is empty for none."""

    size: int = 0
    etag: str = ""
    blocks: Sequence[Block] = ()

    @property
    def condition(self) -> dict[str, str]:
        return {"If-Match": self.etag} if self.etag else IF_ABSENT


@dataclass(slots=True)
class _Tolerant:
    """A stream whose error is kept and taken for its end, so that what came can be stored."""

    chunks: AsyncIterator[bytes]
    error: Exception | None = field(default=None, init=False)

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        try:
            async for chunk in self.chunks:
                yield chunk
        except Exception as error:
            self.error = error


class AzureUpload(Upload):
    """Appends compete for the blob's ETag: the first to commit its blocks is in.

    An append that breaks off is kept as far as it came; a process that dies or a task that is
    cancelled loses what came since the last 160 MiB. An append up to 5 MiB that is the first
    costs one request.
    """

    def __init__(
        self, requests: Requests, copying: Copying, deleting: Deleting, token: str
    ) -> None:
        self._requests = requests
        self._copying = copying
        self._deleting = deleting
        self._key = f"{token}/data"

    async def size(self) -> int:
        return (await self._head())[0]

    async def append(self, chunks: AsyncIterator[bytes], offset: int) -> int:
        held = await self._held(offset)
        stream = _Tolerant(chunks)
        async with aclosing(pieces(aiter(stream))) as cut:
            size = await self._append(held, cut)
        if stream.error is not None:
            raise stream.error
        return size

    async def commit(self, key: str, size: int) -> Entry:
        held, etag = await self._head()
        if held != size:
            raise _offset(self._key, held, size)
        if not size:
            entry = await put(self._requests, key, Piece(0), create=False)
        else:
            try:
                entry = await self._copying.copy(Version(self._key, size, etag), key)
            except NotFoundError as error:
                raise _raced(self._key) from error
        if etag:
            await self.abort()
        return entry

    async def abort(self) -> None:
        await self._deleting.remove(self._key)

    async def _head(self) -> tuple[int, str]:
        answer = await self._requests.send(Request("HEAD", self._key, accept=_ABSENT))
        if answer.code:
            return 0, ""
        return int(answer.headers["content-length"]), answer.etag

    async def _held(self, offset: int) -> _Held:
        """What the upload has. Of a first append it is found out by the append itself."""
        if offset == 0:
            return _Held()
        query = {"comp": "blocklist", "blocklisttype": "committed"}
        answer = await self._requests.send(Request("GET", self._key, query, accept=_ABSENT))
        size = 0 if answer.code else int(answer.headers["x-ms-blob-content-length"])
        if size != offset:
            raise _offset(self._key, size, offset)
        return _Held(size, answer.etag, _blocks(answer.body))

    async def _append(self, held: _Held, cut: AsyncGenerator[Piece, None]) -> int:
        first = await anext(cut, None)
        if first is None:
            return await self._append_nothing(held)
        second = await anext(cut, None)
        if second is None and not held.etag:
            return await self._begin(first)
        waiting = [first] if second is None else [first, second]
        while waiting:
            held = await self._grow(held, _some(waiting, cut))
            following = await anext(cut, None)
            waiting = [] if following is None else [following]
        return held.size

    async def _append_nothing(self, held: _Held) -> int:
        size = (await self._head())[0]
        if size != held.size:
            raise _offset(self._key, size, held.size)
        return size

    async def _begin(self, piece: Piece) -> int:
        headers = {**BINARY, **IF_ABSENT, "x-ms-blob-type": "BlockBlob"}
        request = Request("PUT", self._key, {}, headers, piece.body)
        if await conditionally(self._requests, request) is None:
            raise _raced(self._key)
        return piece.size

    async def _grow(self, held: _Held, more: AsyncGenerator[Piece, None]) -> _Held:
        """Add blocks and make them durable."""
        stage = Stage(self._requests, self._key)
        blocks = [*await self._old(held, stage), *await stage.add(more)]
        answer = await stage.commit(blocks, held.condition)
        if answer is None:
            raise _raced(self._key)
        return _Held(sum(block.size for block in blocks), answer.etag, blocks)

    async def _old(self, held: _Held, stage: Stage) -> Sequence[Block]:
        """The blocks of what is there, of few bytes fewer than there were."""
        blocks = list(held.blocks)
        if held.size and not blocks:  # it came with one request
            return await stage.add(self._again(held, 0, held.size))
        begin, end = to_merge([block.size for block in blocks])
        if begin < end:
            start = sum(block.size for block in blocks[:begin])
            stop = start + sum(block.size for block in blocks[begin:end])
            size = stop - start
            blocks[begin:end] = await stage.add(self._again(held, start, stop, size))
        return blocks

    async def _again(
        self, held: _Held, start: int, stop: int, size: int = BLOCK
    ) -> AsyncGenerator[Piece, None]:
        """Bytes that the upload holds, to be sent as other blocks."""
        reading = read(self._requests, self._key, start, stop, held.etag)
        async with aclosing(reading) as chunks, aclosing(pieces(chunks, size)) as cut:
            async for piece in cut:
                yield piece


def to_merge(sizes: Sequence[int]) -> tuple[int, int]:
    """Which neighbours should become one block, as a slice; an empty one: none.

    Once there are many small ones at the end, those are put together that are not larger than
    all behind them: so a byte is sent again a few times at most, however small the appends.
    """
    begin, rest = len(sizes), 0
    while begin and sizes[begin - 1] < _SMALL:
        begin -= 1
        rest += sizes[begin]
    if len(sizes) - begin <= (_SMALLS if len(sizes) < _MANY else _SMALLS // 8):
        return 0, 0
    while (rest := rest - sizes[begin]) < sizes[begin]:
        begin += 1
    end, size = begin, 0
    while end < len(sizes) and size + sizes[end] <= 2 * _SMALL:
        size += sizes[end]
        end += 1
    return begin, end


def _blocks(body: bytes) -> Sequence[Block]:
    root = ET.fromstring(body)  # noqa: S314 - the backend's own answer
    return [
        Block(element.findtext("Name") or "", int(element.findtext("Size") or 0))
        for element in root.iterfind("CommittedBlocks/Block")
    ]


async def _some(waiting: list[Piece], rest: AsyncIterator[Piece]) -> AsyncGenerator[Piece, None]:
    """As many pieces as are made durable together."""
    for piece in waiting:
        yield piece
    for _ in range(len(waiting), _KEPT):
        following = await anext(rest, None)
        if following is None:
            return
        yield following


def _offset(key: str, held: int, offset: int) -> OffsetError:
    return OffsetError(key, f"upload holds {held} bytes, not {offset}")


def _raced(key: str) -> OffsetError:
    return OffsetError(key, "another append, or the upload's end, came first")
