"""Uploads: each append is some objects, joined by the backend itself at the commit."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, replace

from entrepot.core import Entry, ExistsError, NotFoundError, OffsetError, UnavailableError, Upload
from entrepot.core.streams import once
from entrepot.drivers.gcs.deleting import Deleting
from entrepot.drivers.gcs.errors import PreconditionError
from entrepot.drivers.gcs.names import Stored
from entrepot.drivers.gcs.objects import MOST_JOINED, Objects, Page
from entrepot.drivers.gcs.pieces import Pieces
from entrepot.drivers.gcs.writing import Target, Writing

MIB = 1024 * 1024
_PART = 64 * MIB  # bytes of an append after which what came is durable, whatever happens
_PAGE = 2 * MOST_JOINED  # parts in a listing; there are hardly ever more that count
_TURNS = 10  # tries against others who join the same parts


@dataclass(frozen=True, slots=True)
class _Held:
    """The parts that follow one another from the beginning on.

    `keys` are those of all objects of the upload, or None if there may be more.
    """

    parts: list[Stored]
    keys: list[str] | None

    @property
    def size(self) -> int:
        return sum(part.size for part in self.parts)


class GcsUpload(Upload):
    """Keeps parts as `<token>/data/<offset>`; their exclusive creation orders the appends.

    Before there are more parts than one request joins, the first is replaced by the join of
    all. The others stay where they are, so that nobody can create them a second time; they
    do not count, because they begin before the first one's end.
    """

    def __init__(
        self, objects: Objects, writing: Writing, deleting: Deleting, token: str, piece: int
    ) -> None:
        self._objects = objects
        self._writing = writing
        self._deleting = deleting
        self._prefix = f"{token}/data/"
        self._piece = piece

    async def size(self) -> int:
        return (await self._held()).size

    async def append(self, chunks: AsyncIterator[bytes], offset: int) -> int:
        """An append that is cut keeps what came; one that is cancelled keeps whole parts."""
        if offset:  # the first part's creation tells whether there is one
            await self._check_end(offset)
        pieces = Pieces(chunks, self._piece, keep=True)
        most = self._piece * max(_PART // self._piece, 1)
        parts = 0
        while not await pieces.is_done():
            if parts % MOST_JOINED == MOST_JOINED - 1:
                await self._check_end(offset)
            offset += await self._add(pieces, offset, most)
            parts += 1
        if pieces.error is not None:
            raise pieces.error
        return offset if parts else await self._check_end(offset)

    async def commit(self, key: str, size: int) -> Entry:
        for _ in range(_TURNS):
            held = await self._joinable()
            if held.size != size:
                raise OffsetError(self._prefix, f"upload holds {held.size} bytes, not {size}")
            try:
                stored = await self._make(key, held.parts)
            except (NotFoundError, PreconditionError):
                continue  # joined, committed or aborted by others: the parts tell
            await self._remove(held.keys)
            return stored.entry
        raise UnavailableError(self._prefix, "the upload's parts change again and again")

    async def abort(self) -> None:
        await self._remove(None)

    async def _remove(self, keys: list[str] | None) -> None:
        """Remove these, or all. The first goes last: while it is there, the upload has a size."""
        if keys is None:
            pages = self._objects.pages(self._prefix)
            keys = [item.key async for page in pages for item in page.items]
        await self._deleting.delete(keys[1:])
        await self._deleting.delete(keys[:1])

    async def _add(self, pieces: Pieces, offset: int, most: int) -> int:
        target = Target.of(self._key(offset), create=True)
        try:
            return (await self._writing.store(target, pieces, most)).size
        except ExistsError as error:
            raise OffsetError(self._prefix, f"another append began at {offset}") from error

    async def _check_end(self, offset: int) -> int:
        """Raises OffsetError: if the upload does not end there."""
        end = (await self._joinable()).size
        if end != offset:
            raise OffsetError(self._prefix, f"upload holds {end} bytes, not {offset}")
        return end

    async def _make(self, key: str, parts: list[Stored]) -> Stored:
        if not parts:
            return await self._writing.store(Target(key), Pieces(once(b""), self._piece))
        if len(parts) == 1:
            return await self._objects.copy(parts[0].key, key, parts[0].generation)
        return await self._objects.join(parts, key)

    async def _joinable(self) -> _Held:
        """The upload's parts, fewer than one request joins."""
        for _ in range(_TURNS):
            held = await self._held()
            try:
                while len(held.parts) >= MOST_JOINED:
                    held = replace(held, parts=await self._join_first(held.parts))
                return held
            except (NotFoundError, PreconditionError):
                continue  # somebody else did so, or ended the upload
        raise UnavailableError(self._prefix, "the upload's parts change again and again")

    async def _join_first(self, parts: list[Stored]) -> list[Stored]:
        some, rest = parts[:MOST_JOINED], parts[MOST_JOINED:]
        first = some[0]
        joined = await self._objects.join(some, first.key, generation=first.generation)
        return [joined, *rest]

    async def _held(self) -> _Held:
        """Costs one request for few parts; those joined already are jumped over."""
        parts: list[Stored] = []
        keys: list[str] = []
        end = 0
        while True:
            page = await self._page(self._key(end))
            is_whole = not end and page.is_last
            before = end
            for item in page.items:
                keys.append(item.key)
                if item.key == self._key(end) and isinstance(item, Stored) and item.size:
                    parts.append(item)
                    end += item.size
            if page.is_last or end == before:
                return _Held(parts, keys if is_whole else None)

    async def _page(self, start: str) -> Page:
        """The first page that has something in it, or the last one."""
        async with aclosing(self._objects.pages(self._prefix, start=start, size=_PAGE)) as pages:
            async for page in pages:
                if page.items:
                    return page
        return Page([], is_last=True)

    def _key(self, offset: int) -> str:
        return f"{self._prefix}{offset:020d}"
