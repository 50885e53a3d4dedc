"""Deleting blobs, one by one or many with one request."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from azure.core.exceptions import AzureError, HttpResponseError
from azure.storage.blob.aio import ContainerClient
from entrepot.core import DeleteError, StorageError
from entrepot.core.concurrency import each
from entrepot.drivers.azure.errors import code_of, is_temporary
from entrepot.drivers.azure.requests import Request, Requests

BATCH = 256  # keys that one request may name
_FEW = 4  # keys below which requests of their own cost less
_WITH_SNAPSHOTS = {"x-ms-delete-snapshots": "include"}


class Deleting:
    def __init__(self, requests: Requests, client: ContainerClient) -> None:
        self._requests = requests
        self._client = client
        self._batches = True

    async def delete(self, keys: Sequence[str]) -> None:
        """Remove objects. Raises DeleteError: with each key that is still there, and why."""
        wanted = list(dict.fromkeys(keys))
        failures: dict[str, StorageError] = {}
        left = wanted
        if len(wanted) >= _FEW and self._batches:
            groups = [wanted[at : at + BATCH] for at in range(0, len(wanted), BATCH)]
            left = [key for group in await each(self._batch, groups, 4) for key in group]

        async def remove(key: str) -> None:
            try:
                await self.remove(key)
            except StorageError as error:
                failures[key] = error

        await each(remove, left)
        if failures:
            raise DeleteError(failures)

    async def remove(self, key: str) -> None:
        """Remove an object; a missing one is no error."""
        accept = frozenset({"BlobNotFound"})
        await self._requests.send(Request("DELETE", key, headers=_WITH_SNAPSHOTS, accept=accept))

    async def _batch(self, keys: list[str]) -> list[str]:
        """Remove up to 256 objects; gives the keys that have to be tried one by one.

        Those are all or none: Azure need not answer in the order of the request.
        """
        blobs = [self._requests.names.blob(key) for key in keys]
        self._requests.count += 1
        try:
            async with asyncio.timeout(self._requests.patience.answer):
                answers = await self._client.delete_blobs(
                    *blobs, delete_snapshots="include", raise_on_any_failure=False
                )
                statuses = [(answer.status_code, answer.headers) async for answer in answers]
        except HttpResponseError as error:
            status = error.status_code or 500
            self._batches = self._batches and is_temporary(status, {})
            return keys
        except (AzureError, TimeoutError):
            return keys
        gone = [s == 202 or (s == 404 and code_of(h) == "BlobNotFound") for s, h in statuses]
        return [] if len(gone) == len(keys) and all(gone) else keys
