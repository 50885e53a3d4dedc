"""Connections that end with the driver, also those that have something left to send."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp

_SOME = 256  # connections after which the ended ones are forgotten


class Connections(aiohttp.TCPConnector):
    """aiohttp's, without a limit: turns are waited for before a request is signed.

    A connection that is closed in the middle of a body waits for the other side to take what
    is buffered, which may be for ever. When the driver ends, so do they.
    """

    def __init__(self) -> None:
        super().__init__(limit=0)  # pyright: ignore[reportUnknownMemberType]  # one is bare
        self._made: set[asyncio.Transport] = set()

    async def connect(self, *arguments: Any, **named: Any) -> Any:
        connection = await super().connect(*arguments, **named)
        transport: Any = connection.transport
        if transport is not None:
            self._made.add(transport)
        if len(self._made) > _SOME:
            self._made = {made for made in self._made if not _has_ended(made)}
        return connection

    async def abort(self) -> None:
        """End all connections at once."""
        for transport in self._made:
            if not _has_ended(transport):
                transport.abort()
        self._made.clear()
        await asyncio.sleep(0)  # in which the event loop lets go of them


def _has_ended(transport: asyncio.Transport) -> bool:
    return transport.is_closing() and not transport.get_write_buffer_size()
