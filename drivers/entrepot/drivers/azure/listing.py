"""Listing a container page by page."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from xml.etree import ElementTree as ET

from entrepot.core import Entry, Prefix, UnavailableError
from entrepot.drivers.azure.names import Names
from entrepot.drivers.azure.requests import Request, Requests

_PAGE = 1000
_FROM_VERSION = "2026-02-06"  # the first that begins a listing in its middle
_TOO_NEW = frozenset(
    {"InvalidHeaderValue", "InvalidQueryParameterValue", "UnsupportedQueryParameter"}
)


@dataclass(frozen=True, slots=True)
class _Page:
    items: list[Entry | Prefix]  # in byte order
    marker: str  # where the next one begins; empty at the end


class Listing:
    """Lists a container. Azure can begin in the middle, where it is new enough to."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self._begins_anywhere = True

    async def scan(
        self, prefix: str, after: str, delimiter: str
    ) -> AsyncGenerator[Entry | Prefix, None]:
        """As `Driver.scan`.

        Raises UnavailableError: if the account's order is not that of bytes, which is so in
        accounts with a hierarchical namespace.
        """
        last, marker = "", ""
        if after > prefix and not after.startswith(prefix):
            return  # all that begins with the prefix is before
        while True:
            page = await self._page(prefix, after, delimiter, marker)
            for item in page.items:
                if item.key <= last:
                    raise UnavailableError(
                        item.key,
                        "Azure's listing is not in byte order: accounts with a hierarchical "
                        "namespace (Data Lake) cannot hold a registry",
                    )
                last = item.key
                if item.key > after or await self._reaches(item, after):
                    yield item
            marker = page.marker
            if not marker:
                return

    async def holds(self, root: str) -> bool:
        """Whether any blob's whole name begins with this text. One request."""
        names = Names(self._requests.names.url, "")
        query = {"restype": "container", "comp": "list", "maxresults": "1", "prefix": root}
        answer = await self._requests.send(Request("GET", "", query, container=True))
        return bool(_parsed(answer.body, names).items)

    async def _reaches(self, item: Entry | Prefix, after: str) -> bool:
        """Whether a group that begins before `after` has something behind it."""
        if not isinstance(item, Prefix) or not after.startswith(item.key):
            return False
        async with aclosing(self.scan(item.key, after, "")) as items:
            return await anext(items, None) is not None

    async def _page(self, prefix: str, after: str, delimiter: str, marker: str) -> _Page:
        names = self._requests.names
        query = {"restype": "container", "comp": "list", "maxresults": str(_PAGE)}
        query["prefix"] = names.blob(prefix)
        if delimiter:
            query["delimiter"] = delimiter
        if marker:
            query["marker"] = marker
        if self._begins_anywhere and after > prefix:
            page = await self._page_from(query, prefix, after, delimiter)
            if page is not None:
                return page
            self._begins_anywhere = False
        answer = await self._requests.send(Request("GET", prefix, query, container=True))
        return _parsed(answer.body, names)

    async def _page_from(
        self, query: dict[str, str], prefix: str, after: str, delimiter: str
    ) -> _Page | None:
        """A page of what is at `after` and behind it; None where Azure cannot do that."""
        names = self._requests.names
        if delimiter:  # then only one level may be named, and its group is wanted, too
            cut = after.find(delimiter, len(prefix))
            after = after if cut < 0 else after[:cut]
        request = Request(
            "GET",
            prefix,
            query | {"startFrom": names.blob(after)},
            {"x-ms-version": _FROM_VERSION},
            accept=_TOO_NEW,
            container=True,
        )
        answer = await self._requests.send(request)
        return None if answer.code else _parsed(answer.body, names)


def _parsed(body: bytes, names: Names) -> _Page:
    root = ET.fromstring(body)  # noqa: S314 - the backend's own answer
    found = root.find("Blobs")
    items = [] if found is None else sorted(_items(found, names), key=lambda item: item.key)
    return _Page(items, root.findtext("NextMarker") or "")


def _items(found: ET.Element, names: Names) -> Iterator[Entry | Prefix]:
    for element in found:
        key = names.key(element.findtext("Name") or "")
        if element.tag == "BlobPrefix":
            yield Prefix(key)
            continue
        size = int(element.findtext("Properties/Content-Length") or 0)
        modified = element.findtext("Properties/Last-Modified") or ""
        yield Entry(key, size, parsedate_to_datetime(modified).timestamp())
