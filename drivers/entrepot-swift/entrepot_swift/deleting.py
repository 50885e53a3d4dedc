"""Deletion of many objects: in bulk where the cluster can, else one by one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from entrepot.core import StorageError, UnavailableError
from entrepot.core.concurrency import each
from entrepot_swift.client import Client, Request

_BULK = 1000  # paths of one request; Swift deletes them one after the other
_FEW = 3  # that are faster on their own
_EACH = 0.2  # seconds that one surely takes


class Deleting:
    def __init__(self, client: Client, most: int) -> None:
        """`most` is how many paths a bulk deletion takes; 0: there is none."""
        self._client = client
        self._most = min(most, _BULK)

    async def delete(self, keys: Mapping[str, str]) -> dict[str, StorageError]:
        """Remove objects, given as keys by their paths; gives what is still there and why.

        Nothing is removed along with a large object.
        """
        failures: dict[str, StorageError] = {}
        paths = list(keys)
        if self._most and len(paths) > _FEW:
            batches = [paths[at : at + self._most] for at in range(0, len(paths), self._most)]
            left = [path for some in await each(self._bulk, batches, 2) for path in some]
        else:
            left = paths

        async def one(path: str) -> None:
            try:
                asked = Request(keys[path], "DELETE", path, expected=(200, 202, 204, 404))
                await self._client.call(asked)
            except StorageError as error:
                failures[keys[path]] = error

        await each(one, left)
        return failures

    async def _bulk(self, paths: Sequence[str]) -> Iterable[str]:
        """The paths that have to be deleted one by one, which tells what their trouble is."""
        body = "".join(f"{quote(path, safe='/')}\n" for path in paths).encode()
        headers = {"Content-Type": "text/plain", "Accept": "application/json"}
        asked = Request(
            *("", "POST", "", {"bulk-delete": "true"}, headers, body), slow=_EACH * len(paths)
        )
        try:
            answer = await self._client.call(asked)
            said = _report(answer.body)
        except StorageError:
            return paths
        if said["Number Deleted"] + said["Number Not Found"] == len(paths):
            return ()
        return paths


def _report(body: bytes) -> dict[str, Any]:
    """What was done; the status is always 200, and spaces keep the connection alive before it."""
    try:
        said = json.loads(body)
        return {name: int(said[name]) for name in ("Number Deleted", "Number Not Found")}
    except (ValueError, KeyError, TypeError):
        raise UnavailableError("", "Swift's report of a deletion is no JSON") from None
