"""What is asked of whole objects: metadata, copies, joins, listings."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from entrepot.core import Prefix
from entrepot.drivers.gcs.names import FIELDS, Names, Stored
from entrepot.drivers.gcs.wire import Request, Wire

_LISTED = f"nextPageToken,prefixes,items({FIELDS})"
_LONGEST = 1024  # bytes of a name
_JSON = {"Content-Type": "application/json"}
PAGE = 1000
MOST_JOINED = 32  # objects in one request to compose


@dataclass(frozen=True, slots=True)
class Page:
    """Some of a listing, in order; it may be empty."""

    items: list[Stored | Prefix]
    is_last: bool


class Objects:
    def __init__(self, wire: Wire, names: Names) -> None:
        self._wire = wire
        self._names = names

    async def find(self, key: str) -> Stored:
        """Raises NotFoundError."""
        request = Request("GET", self._names.path(key), {"fields": FIELDS})
        return self._names.stored((await self._wire.ask(key, request)).json(key))

    async def copy(self, source: str, target: str, generation: str = "") -> Stored:
        """Copy on the server's side, in as many requests as it wants for a large object.

        Raises NotFoundError: if there is no such source, or not of this generation.
        """
        path = f"{self._names.path(source)}/rewriteTo/b/{self._names.bucket}/o"
        path += self._names.path(target)[len(self._names.objects) :]
        params = {"fields": f"done,rewriteToken,resource({FIELDS})"}
        if generation:
            params["sourceGeneration"] = generation
        while True:
            answer = await self._post(source, path, params, {})
            if answer.get("done"):
                return self._names.stored(answer["resource"])
            params["rewriteToken"] = str(answer["rewriteToken"])

    async def join(
        self, parts: Sequence[Stored], target: str, *, generation: str | None = None
    ) -> Stored:
        """Make one object of at most 32, in one step, replacing that of `generation`, or any.

        Raises NotFoundError or PreconditionError: if one of them is not the same any more.
        """
        sources = [
            {
                "name": self._names.name(part.entry.key),
                "objectPreconditions": {"ifGenerationMatch": part.generation},
            }
            for part in parts
        ]
        params = {"fields": FIELDS}
        if generation is not None:
            params["ifGenerationMatch"] = generation
        content = {
            "sourceObjects": sources,
            "destination": {"contentType": "application/octet-stream"},
        }
        path = f"{self._names.path(target)}/compose"
        return self._names.stored(await self._post(target, path, params, content))

    async def pages(
        self, prefix: str, *, start: str = "", delimiter: str = "", size: int = PAGE
    ) -> AsyncGenerator[Page, None]:
        """Pages of what begins with `prefix` and is not before `start`."""
        params = {
            "prefix": self._names.name(prefix),
            "startOffset": self._names.name(start)[:_LONGEST] if start else "",
            "delimiter": delimiter,
            "maxResults": str(size),
            "fields": _LISTED,
        }
        params = {name: value for name, value in params.items() if value}
        while True:
            request = Request("GET", self._names.objects, params)
            answer = (await self._wire.ask(prefix, request)).json(prefix)
            token = str(answer.get("nextPageToken") or "")
            yield Page(self._ordered(answer), is_last=not token)
            if not token:
                return
            params["pageToken"] = token

    async def is_any(self, prefix: str, *, start: str) -> bool:
        """Whether there is any object whose key begins like this and is not before `start`."""
        async with aclosing(self.pages(prefix, start=start, size=1)) as pages:
            async for page in pages:
                if page.items:
                    return True
        return False

    def _ordered(self, answer: Mapping[str, Any]) -> list[Stored | Prefix]:
        found: list[tuple[str, Stored | Prefix]] = []
        for resource in answer.get("items") or ():
            stored = self._names.stored(resource)
            found.append((stored.entry.key, stored))
        for name in answer.get("prefixes") or ():
            key = self._names.key(str(name))
            found.append((key, Prefix(key)))
        return [item for _, item in sorted(found, key=lambda one: one[0])]

    async def _post(
        self, key: str, path: str, params: Mapping[str, str], content: Mapping[str, Any]
    ) -> dict[str, Any]:
        body = (json.dumps(content).encode(),)
        request = Request(
            "POST", path, dict(params), _JSON, body, seconds=self._wire.patience.transfer
        )
        return (await self._wire.ask(key, request)).json(key)
