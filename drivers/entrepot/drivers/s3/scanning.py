"""Listings in the byte order of keys, page by page, also of servers that have another order.

SeaweedFS lists folder by folder: `a/b` comes before `a-b`, although `-` is before `/`.
There, what fits into memory is sorted; where more lies below a prefix, its folders are
walked one by one, and a folder waits for its neighbours whose names begin like its own.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from entrepot.core import Entry, Prefix, UnavailableError
from entrepot.core.concurrency import each
from entrepot.drivers.s3.errors import Refused
from entrepot.drivers.s3.verbs import Verbs

_SORTED = 4000  # keys that are sorted in memory
_LAST = "~"  # behind every character of a key

Item = Entry | Prefix


async def scan(verbs: Verbs, prefix: str, after: str, delimiter: str) -> AsyncGenerator[Item, None]:
    """Items of whole keys: whole `prefix` and `after` in, whole keys out. Raises Refused."""
    ordered = verbs.client.ordered
    walk = _flat(verbs, prefix, after, delimiter) if ordered else _sorted(verbs, prefix, delimiter)
    last = ""
    async with aclosing(walk) as items:
        async for item in items:
            if item.key <= after and not await _reaches(verbs, item, after, ordered=ordered):
                continue
            if item.key <= last:
                if not ordered:
                    continue  # what a page repeats
                verbs.client.ordered = False
                raise UnavailableError(prefix, "the server lists keys out of order: try again")
            yield item
            last = item.key


async def _reaches(verbs: Verbs, item: Item, after: str, *, ordered: bool) -> bool:
    """Whether a group that begins at `after` or before has keys past it."""
    if isinstance(item, Entry) or not after.startswith(item.key):
        return False
    if ordered:
        return True  # else it would not have been given
    async with aclosing(scan(verbs, item.key, after, "")) as items:
        return await anext(items, None) is not None


async def _flat(
    verbs: Verbs, prefix: str, after: str, delimiter: str
) -> AsyncGenerator[Item, None]:
    """As the server lists, which is by the bytes of the keys."""
    token = ""
    if delimiter and after.startswith(prefix) and delimiter in after[len(prefix) :]:
        # servers differ in what they give of a group in whose middle they begin
        group = after[: after.index(delimiter, len(prefix)) + 1]
        if (await verbs.page(group, after=after, most=1)).items:
            yield Prefix(group)
        after = group + _LAST
    while True:
        page = await verbs.page(prefix, after=after, delimiter=delimiter, token=token)
        empty = set[str]() if verbs.client.ordered else await _empty(verbs, page.items)
        for item in page.items:
            if item.key > after and item.key not in empty:
                yield item
        token = page.token
        if not token:
            return


async def _empty(verbs: Verbs, items: Sequence[Item]) -> set[str]:
    """Folders without a key: SeaweedFS shows them for a while after their last one is gone."""

    async def holds(prefix: Prefix) -> bool:
        found = await verbs.page(prefix.key, most=1)
        return any(isinstance(item, Entry) and item.key != prefix.key for item in found.items)

    prefixes = [item for item in items if isinstance(item, Prefix)]
    held = await each(holds, prefixes)
    return {prefix.key for prefix, holds_any in zip(prefixes, held, strict=True) if not holds_any}


async def _sorted(verbs: Verbs, prefix: str, delimiter: str) -> AsyncGenerator[Item, None]:
    """Whole, however the server lists."""
    if delimiter:
        async for item in _level(verbs, prefix):
            yield item
        return
    found: list[Item] = []
    async for item in _flat(verbs, prefix, "", ""):
        found.append(item)
        if len(found) > _SORTED:
            break
    else:
        for item in sorted(found, key=_key):
            yield item
        return
    del found
    async for item in _level(verbs, prefix):
        if isinstance(item, Entry):
            yield item
        else:
            async for below in _sorted(verbs, item.key, ""):
                yield below


async def _level(verbs: Verbs, prefix: str) -> AsyncGenerator[Item, None]:
    """One folder's objects and folders by key, which come by name."""
    waiting: list[Item] = []  # folders whose slash is behind what their neighbours go on with
    async for item in _flat(verbs, prefix, "", "/"):
        while waiting and waiting[-1].key < item.key:
            yield waiting.pop()
        if isinstance(item, Entry):
            yield item
        else:
            waiting.append(item)
    while waiting:
        yield waiting.pop()


def _key(item: Item) -> str:
    return item.key


async def below_root(
    verbs: Verbs, prefix: str, after: str, delimiter: str
) -> AsyncGenerator[Item, None]:
    """The same with keys of the driver. Raises StorageError."""
    root = verbs.root
    cut = len(root)
    try:
        whole = root + after if after else ""
        async with aclosing(scan(verbs, root + prefix, whole, delimiter)) as items:
            async for item in items:
                key = item.key[cut:]
                if isinstance(item, Prefix):
                    yield Prefix(key)
                elif not key.endswith("/"):  # a folder's marker, of some other program
                    yield Entry(key, item.size, item.modified)
    except Refused as refused:
        raise refused.error(prefix) from refused
