"""Listings of a bucket, in the byte order in which OSS gives them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from entrepot.core import Entry, Prefix
from entrepot_oss.errors import Refused
from entrepot_oss.verbs import Verbs

_LAST = "~"  # behind every character of a key


async def scan(
    verbs: Verbs, prefix: str, after: str, delimiter: str
) -> AsyncGenerator[Entry | Prefix, None]:
    """Items below keys of the driver. Raises StorageError."""
    root = verbs.root
    cut = len(root)
    try:
        whole = root + after if after else ""
        async with aclosing(_items(verbs, root + prefix, whole, delimiter)) as items:
            async for item in items:
                key = item.key[cut:]
                if isinstance(item, Prefix):
                    yield Prefix(key)
                elif not key.endswith("/"):  # a folder's marker, of some other program
                    yield Entry(key, item.size, item.modified)
    except Refused as refused:
        raise refused.error(prefix) from refused


async def _items(
    verbs: Verbs, prefix: str, after: str, delimiter: str
) -> AsyncGenerator[Entry | Prefix, None]:
    if after < prefix:
        after = ""  # OSS lists what has the prefix anyway
    if delimiter and delimiter in after[len(prefix) :] and after.startswith(prefix):
        # no page says what OSS gives of a group in whose middle it begins
        group = after[: after.index(delimiter, len(prefix)) + 1]
        if (await verbs.page(group, after=after, most=1)).items:
            yield Prefix(group)
        after = group + _LAST
    token = ""
    while True:
        page = await verbs.page(prefix, after=after, delimiter=delimiter, token=token)
        for item in page.items:
            if item.key > after:
                yield item
        token = page.token
        if not token:
            return
