"""Parts of a multipart upload: how large they are, and one of them under way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self

from entrepot_oss.answers import Part
from entrepot_oss.options import MIB
from entrepot_oss.settling import ended, landed

MOST_PARTS = 10_000  # of an object, by the protocol
_CLASS = 1000  # parts of one size, before they grow


def size_of_part(number: int, chunksize: int) -> int:
    """Bytes of the part of that number: a multiple of `chunksize`, equal for 1000 parts each.

    None takes more than 10,000 of them: with 10 MiB for a start an object may have 537 GiB.
    """
    return chunksize * (1 + (number - 1) // _CLASS)


def least_of_part(number: int) -> int:
    """Bytes that are worth a part of their own, of which there is an end.

    OSS takes parts from 100 KiB on; with those, appends of 100 KiB would end at one GiB.
    """
    return size_of_part(number, MIB)


class Sending:
    """One part under way while the next is gathered. Use as an async context."""

    def __init__(self, send: Callable[[int, bytes], Coroutine[Any, Any, Part]]) -> None:
        self.parts: list[Part] = []  # that have arrived
        self._send = send
        self._task: asyncio.Task[Part] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._task is not None:
            await ended(self._task)

    async def add(self, number: int, body: bytes) -> None:
        """Send a part when the one before has arrived. Raises what the sending of that raised."""
        await self.arrived()
        self._task = asyncio.create_task(self._send(number, body))

    async def arrived(self) -> None:
        """Wait for the part that is under way. Raises what its sending raised."""
        if self._task is not None:
            self.parts.append(await landed(self._task))
            self._task = None
