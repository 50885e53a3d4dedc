"""Listings of a container, page by page in byte order."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any, cast

from entrepot.core import AccessError, Entry, NotFoundError, Prefix, UnavailableError
from entrepot_swift.client import Client, Request
from entrepot_swift.large import Segment
from entrepot_swift.places import Places

_PAGE = 1000
_NOTHING = "d41d8cd98f00b204e9800998ecf8427e"  # MD5 of no bytes, which a dynamic manifest has
_LOWEST = "!"  # before every character of a key

Item = dict[str, Any]


class Listing:
    def __init__(self, client: Client, places: Places, most: int) -> None:
        """`most` is how many entries the cluster gives at once; 0: nobody knows."""
        self._client = client
        self._places = places
        self._limit = min(most or _PAGE, _PAGE)
        self._least = self._limit if most else 1

    async def pages(
        self, container: str, prefix: str, after: str = "", delimiter: str = ""
    ) -> AsyncGenerator[list[Item], None]:
        """What Swift says, until there is no more."""
        while True:
            query = {"format": "json", "limit": str(self._limit), "prefix": prefix}
            query |= {"marker": after} if after else {}
            query |= {"delimiter": delimiter} if delimiter else {}
            try:
                answer = await self._client.call(Request(prefix, "GET", f"/{container}", query))
            except NotFoundError:
                raise AccessError("", f"there is no container {container!r}") from None
            page = _parsed(prefix, answer.body) if answer.status == 200 else []
            if not page:
                return
            yield page
            if len(page) < self._least:
                return
            after = page[-1].get("name") or page[-1]["subdir"]

    async def entries(
        self, prefix: str, after: str, delimiter: str
    ) -> AsyncGenerator[list[Entry | Prefix], None]:
        """Pages of what there is under the registry's keys.

        A dynamic large object counts as empty in a listing: `size` is -1 where it may be one.
        """
        root = self._places.root
        marker = root + after if after > prefix else ""
        if delimiter and marker.endswith(delimiter):
            marker += _LOWEST  # else Swift leaves out the folder of that name
        pages = self.pages(self._places.container, root + prefix, marker, delimiter)
        async with aclosing(pages):
            async for page in pages:
                yield [
                    _entry(each, root) for each in page if not each.get("name", "").endswith("/")
                ]

    async def segments(self, place: str) -> list[Segment]:
        """Of a dynamic large object, in order: all in `container/prefix`."""
        container, _, prefix = place.partition("/")
        found = list[Segment]()
        async with aclosing(self.pages(container, prefix)) as pages:
            async for page in pages:
                found += [
                    Segment(f"/{container}/{each['name']}", each["bytes"], each["hash"])
                    for each in page
                ]
        return found

    async def below(self, prefix: str) -> list[Segment]:
        """Objects whose name in the container begins so, in order."""
        return await self.segments(f"{self._places.container}/{prefix}")


def _parsed(prefix: str, body: bytes) -> list[Item]:
    try:
        return cast("list[Item]", json.loads(body))
    except ValueError:
        raise UnavailableError(prefix, "Swift's listing is no JSON") from None


def _entry(item: Item, root: str) -> Entry | Prefix:
    if "subdir" in item:
        return Prefix(item["subdir"].removeprefix(root))
    moment = datetime.fromisoformat(item["last_modified"])
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    size = item["bytes"]
    unsure = size == 0 and item["hash"] == _NOTHING
    return Entry(item["name"].removeprefix(root), -1 if unsure else size, moment.timestamp())
