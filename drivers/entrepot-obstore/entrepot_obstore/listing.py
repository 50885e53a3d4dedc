"""Listings by any prefix, past any key, with a delimiter, page by page.

obstore lists folders, not prefixes, and its listing with a delimiter is one list in memory; so
everything here is made of its plain listing from an offset on.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any, cast

import obstore

from entrepot.core import Entry, Prefix
from entrepot_obstore.errors import translating

_PAST = "~"  # behind every character of a key
_PATIENCE = 1000  # keys of one group passed over before it is skipped by a new listing


async def listed(
    store: Any, prefix: str, after: str, delimiter: str
) -> AsyncGenerator[Entry | Prefix, None]:
    """Entries, and with a delimiter groups, in the order in which the store gives them."""
    group = ""
    passed = 0
    offset: str | None = after
    while offset is not None:
        start, offset = offset, None
        async for entry in _entries(store, prefix, start):
            if group and entry.key.startswith(group):
                passed += 1
                if passed % _PATIENCE == 0:
                    offset = group + _PAST
                    break
                continue
            cut = entry.key.find(delimiter, len(prefix)) if delimiter else -1
            if cut < 0:
                yield entry
                continue
            group, passed = entry.key[: cut + len(delimiter)], 0
            yield Prefix(group)


async def _entries(store: Any, prefix: str, after: str) -> AsyncGenerator[Entry, None]:
    folder = prefix[: prefix.rfind("/") + 1]
    offset = max(after, _before(prefix))
    with translating(prefix):
        async for page in pages(store, folder or None, offset or None, 1000):
            for found in page:
                key = found["path"]
                if key.startswith(prefix) and key > after:
                    yield Entry(key, found["size"], found["last_modified"].timestamp())
                elif _is_past(key, prefix):
                    return


def pages(
    store: Any, folder: str | None, offset: str | None, size: int
) -> AsyncIterator[Sequence[obstore.ObjectMeta]]:
    """What a store has in a folder behind `offset`, at most `size` objects at a time."""
    listing = cast("Any", obstore).list  # its type is known only with an optional package
    found: AsyncIterator[Sequence[obstore.ObjectMeta]]
    found = aiter(listing(store, folder, offset=offset, chunk_size=size))
    return found


def _before(prefix: str) -> str:
    """Something less than every key with the prefix, and greater than most other keys."""
    if not prefix:
        return ""
    return prefix[:-1] + chr(ord(prefix[-1]) - 1) + _PAST


def _is_past(key: str, prefix: str) -> bool:
    """Whether no key with the prefix follows: neither in byte order nor folder by folder."""
    if key.startswith(prefix):
        return False
    return key > prefix and key.replace("/", "\0") > prefix.replace("/", "\0")
