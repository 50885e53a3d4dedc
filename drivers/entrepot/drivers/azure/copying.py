"""Copies that Azure makes itself, whole or not at all."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass

from entrepot.core import AccessError, Entry, NotFoundError
from entrepot.drivers.azure.access import Access
from entrepot.drivers.azure.blocks import MIB, Piece, Stage
from entrepot.drivers.azure.errors import SourceError
from entrepot.drivers.azure.reading import read
from entrepot.drivers.azure.requests import Request, Requests
from entrepot.drivers.azure.writing import commit, write

_AT_ONCE = 256 * MIB  # the most that one request copies
_BLOCK = 64 * MIB  # of a larger copy
_WIDTH = 8  # blocks that Azure copies at a time; their bytes do not come here

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Version:
    """One content of an object."""

    key: str
    size: int  # bytes
    etag: str


class Copying:
    """Copies inside the container.

    Never by "Copy Blob", whose target can be seen before it is complete. Where Azure does not
    read the source, as behind some firewalls, the bytes go through this process.
    """

    def __init__(self, requests: Requests, access: Access) -> None:
        self._requests = requests
        self._access = access
        self._warned = False

    async def copy(self, source: Version, target: str) -> Entry:
        """Raises NotFoundError: if that version of the source is not there any more."""
        origin = await self._access.source(source.key)
        headers = {**origin.headers, "x-ms-copy-source": origin.url}
        headers["x-ms-source-if-match"] = source.etag
        try:
            if source.size <= _AT_ONCE:
                return await self._copy_at_once(source, target, headers)
            return await self._copy_blocks(source, target, headers)
        except (AccessError, SourceError) as error:
            await self._check(source)
            self._warn(error)
        reading = read(self._requests, source.key, 0, None, source.etag)
        async with aclosing(reading) as chunks:
            return await write(self._requests, target, chunks, create=False)

    async def _copy_at_once(
        self, source: Version, target: str, headers: Mapping[str, str]
    ) -> Entry:
        at_once = {**headers, "x-ms-requires-sync": "true"}
        changed = frozenset({"ConditionNotMet"})
        request = Request("PUT", target, {}, at_once, (), changed, copies=True)
        answer = await self._requests.send(request)
        if answer.code:
            raise SourceError(source.key, "it was replaced")
        return Entry(target, source.size, answer.modified)

    async def _copy_blocks(self, source: Version, target: str, headers: Mapping[str, str]) -> Entry:
        stage = Stage(self._requests, target)
        blocks = await stage.add(_ranges(source.size, headers), _WIDTH)
        return await commit(self._requests, target, stage, blocks, create=False)

    async def _check(self, source: Version) -> None:
        accept = frozenset({"BlobNotFound"})
        found = await self._requests.send(Request("HEAD", source.key, accept=accept))
        if found.code or found.etag != source.etag:
            raise NotFoundError(source.key)

    def _warn(self, error: AccessError | SourceError) -> None:
        if not self._warned:
            _LOG.warning(
                "Azure does not copy blobs for these credentials or this network, so copies go "
                "through the registry: %s",
                error.reason,
            )
        self._warned = True


async def _ranges(size: int, headers: Mapping[str, str]) -> AsyncGenerator[Piece, None]:
    for at in range(0, size, _BLOCK):
        end = min(at + _BLOCK, size)
        yield Piece(end - at, (), {**headers, "x-ms-source-range": f"bytes={at}-{end - 1}"})
