"""Keys in order, merged from all shards of the index."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field

from entrepot.core import Entry, Prefix
from entrepot.core.concurrency import each
from entrepot.core.threads import Threads
from entrepot_rados.errors import translating
from entrepot_rados.index import Listed
from entrepot_rados.store import Store

_FIRST, _LARGEST = 16, 512  # entries of a page; at first few, for often one is asked for
_PAST = "!"  # behind the separator of entries and before every character of a key
_LAST = "~"  # behind every character of a key


@dataclass(slots=True)
class _Shard:
    number: int
    after: str
    most: int = _FIRST
    is_done: bool = False
    found: deque[tuple[str, Listed]] = field(default_factory=deque[tuple[str, Listed]])

    def skip(self, folder: str) -> None:
        """Leave out what is in a folder."""
        while self.found and self.found[0][0].startswith(folder):
            self.found.popleft()
        if not self.found:
            self.after = max(self.after, folder + _LAST)


class Listing:
    """One walk over the keys that begin with a prefix and are past a place."""

    def __init__(self, threads: Threads, store: Store, prefix: str, after: str) -> None:
        self._threads = threads
        self._store = store
        self._prefix = prefix
        place = after + _PAST if after else ""
        self._shards = [_Shard(number, place) for number in range(store.index.layout.shards)]

    async def items(self, delimiter: str) -> AsyncGenerator[Entry | Prefix, None]:
        while (entries := await self._next()) is not None:
            key = entries[0].key
            end = key.find(delimiter, len(self._prefix)) if delimiter else -1
            entry = await self._looked_at(entries)
            if entry is None:
                continue
            if end < 0:
                yield entry
            else:
                folder = key[: end + 1]
                yield Prefix(folder)
                for shard in self._shards:
                    shard.skip(folder)

    async def _next(self) -> list[Listed] | None:
        """All entries of the next key; they are in one shard."""
        await self._fill([shard for shard in self._shards if not shard.found])
        filled = [(shard.found[0][0], shard.number) for shard in self._shards if shard.found]
        if not filled:
            return None
        shard = self._shards[min(filled)[1]]
        entries = [shard.found.popleft()[1]]
        while True:
            await self._fill([shard] if not shard.found else [])
            if not shard.found or shard.found[0][1].key != entries[0].key:
                return entries
            entries.append(shard.found.popleft()[1])

    async def _fill(self, shards: Sequence[_Shard]) -> None:
        wanted = [shard for shard in shards if not shard.is_done]
        if wanted:
            await each(self._fill_one, wanted)

    async def _fill_one(self, shard: _Shard) -> None:
        asked = shard.number, shard.after, self._prefix, shard.most
        with translating(self._prefix):
            page = await self._threads.run(self._store.index.page, *asked)
        shard.found.extend(page)
        shard.is_done = not page
        if page:
            shard.after = page[-1][0]
        shard.most = min(shard.most * 4, _LARGEST)

    async def _looked_at(self, entries: Sequence[Listed]) -> Entry | None:
        """The object, if there is one: the index is sure only of a single live entry."""
        first = entries[0]
        if len(entries) == 1 and first.size >= 0:
            return Entry(first.key, first.size, first.modified)
        with translating(first.key):
            head = await self._threads.run(self._store.find, first.key)
        return Entry(first.key, head.size, head.modified) if head is not None else None
