"""Letters on their way to the outbox: many in one transaction, off the event loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar, TypeVarTuple

from entrepot.core.threads import Threads
from entrepot.server.notifications.counts import Counts
from entrepot.server.notifications.letters import Letter
from entrepot.server.notifications.outbox import Outbox, Room
from entrepot.server.notifications.seldom import Seldom

_LOG = logging.getLogger("entrepot.server.notifications")
_BATCH = 1000  # letters of one transaction
_MOST_BYTES = 64 * 1024 * 1024
_RETRY_SECONDS = 1.0

PULL_SECONDS = 0.2
"""How long pulls are gathered before they are written."""

MOST = 20_000
"""Letters in memory while the disk takes none."""

ResultT = TypeVar("ResultT")
ArgsT = TypeVarTuple("ArgsT")


@dataclass(slots=True)
class _Waiting:
    letters: Sequence[Letter]
    kept: asyncio.Future[None] | None = None


class Keeper:
    """Writes what arrives while it writes in the next transaction, all of it at once.

    The thread is the outbox' own; whatever else asks the outbox goes through `ask`.
    """

    def __init__(self, outbox: Outbox, threads: Threads, counts: Counts) -> None:
        self.outbox = outbox
        self._threads = threads
        self._counts = counts
        self._waiting: list[_Waiting] = []
        self._letters = 0
        self._bytes = 0
        self._wake = asyncio.Event()
        self._hurry = asyncio.Event()
        self._seldom = Seldom()
        self._is_ending = False
        self.added: Callable[[str], None] = lambda _: None
        """Called with an endpoint for which letters were written."""

    async def ask(self, function: Callable[[*ArgsT], ResultT], *args: *ArgsT) -> ResultT:
        """The result of a call of the outbox, which is used by one thread at a time."""
        return await self._threads.run(function, *args)

    async def keep(self, letters: Sequence[Letter]) -> None:
        """Returns when they are durable; pulls are written soon, and not waited for.

        If the disk does not take them it is logged, and they are tried again; until then they
        stay in memory, within bounds.

        Raises RuntimeError: after `end`.
        """
        if not letters:
            return
        if self._is_ending:
            raise RuntimeError("notifications have ended")
        for letter in letters:
            self._counts.of(letter.endpoint).events += 1
            self._bytes += len(letter.body)
        self._letters += len(letters)
        waiting = _Waiting(letters)
        if letters[0].is_dear:
            waiting.kept = asyncio.get_running_loop().create_future()
            self._hurry.set()
        self._waiting.append(waiting)
        self._wake.set()
        if self._letters > MOST or self._bytes > _MOST_BYTES:
            self._forget()
        if waiting.kept is not None:
            await waiting.kept

    async def run(self) -> None:
        """Write until `end` is called and nothing is left."""
        while not self._is_ending or self._waiting:
            await self._wake.wait()
            await self._gather()
            if await self._write():
                continue
            if self._is_ending:
                _LOG.error("%d event(s) are lost: the outbox cannot be written", self._letters)
                return
            await asyncio.sleep(_RETRY_SECONDS)

    def end(self) -> None:
        """Nothing more comes."""
        self._is_ending = True
        self._wake.set()
        self._hurry.set()

    async def _gather(self) -> None:
        """Wait for more, if all there is are a few pulls."""
        if self._letters < _BATCH:
            with suppress(TimeoutError):
                async with asyncio.timeout(PULL_SECONDS):
                    await self._hurry.wait()

    async def _write(self) -> bool:
        """Write the oldest of what waits; False if the disk does not take it."""
        if not self._is_ending:
            self._wake.clear()
            self._hurry.clear()
        batch = self._take()
        letters = [letter for one in batch for letter in one.letters]
        durable = any(one.kept is not None for one in batch)
        try:
            rooms = await self.ask(_add, self.outbox, letters, durable)
        except Exception as error:  # whatever it is, it must not end the registry
            self._put_back(batch, error)
            return False
        for one in batch:
            if one.kept is not None and not one.kept.done():
                one.kept.set_result(None)
        for endpoint, room in rooms.items():
            self.note(endpoint, room)
            self.added(endpoint)
        return True

    def note(self, endpoint: str, room: Room) -> None:
        """Count what became of an endpoint's letters, and tell what should not happen."""
        counts = self._counts.of(endpoint)
        counts.pending, counts.dead = room.pending, room.dead
        counts.dropped += room.dropped
        if room.dropped:
            told = "outbox full for endpoint %s: %d event(s) dropped, the oldest first"
            self._seldom.tell(_LOG, f"dropped {endpoint}", told, endpoint, room.dropped)
        if room.buried:
            told = (
                "%d event(s) for endpoint %s became dead letters: see `entrepot notifications list`"
            )
            self._seldom.tell(_LOG, f"buried {endpoint}", told, room.buried, endpoint)

    def _take(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        size = 0
        for one in self._waiting:
            if size >= _BATCH:
                break
            batch.append(one)
            size += len(one.letters)
        del self._waiting[: len(batch)]
        self._account(batch, -1)
        if self._waiting:
            self._wake.set()
            self._hurry.set()
        return batch

    def _put_back(self, batch: list[_Waiting], error: Exception) -> None:
        self._seldom.tell(
            _LOG, "write", "outbox: cannot be written, events are kept in memory: %s", error
        )
        for one in batch:
            if one.kept is not None and not one.kept.done():
                one.kept.set_result(None)
            one.kept = None
        self._waiting[:0] = batch
        self._account(batch, 1)
        self._wake.set()
        self._hurry.set()

    def _account(self, batch: Sequence[_Waiting], sign: int) -> None:
        for one in batch:
            self._letters += sign * len(one.letters)
            self._bytes += sign * sum(len(letter.body) for letter in one.letters)

    def _forget(self) -> None:
        """Make room in memory: pulls go first, then what is oldest."""
        ordered = sorted(self._waiting, key=lambda one: one.letters[0].is_dear)
        gone: list[_Waiting] = []
        for one in ordered:
            if one.kept is not None or (
                self._letters <= MOST * 9 // 10 and self._bytes <= _MOST_BYTES * 9 // 10
            ):
                break
            gone.append(one)
            self._account([one], -1)
        lost = {id(one) for one in gone}
        self._waiting = [one for one in self._waiting if id(one) not in lost]
        for one in gone:
            for letter in one.letters:
                self._counts.of(letter.endpoint).dropped += 1
        if gone:
            told = "outbox: %d event(s) dropped, too many wait in memory for the disk"
            self._seldom.tell(_LOG, "memory", told, len(gone))


def _add(outbox: Outbox, letters: Sequence[Letter], durable: bool) -> dict[str, Room]:
    return outbox.add(letters, durable=durable)
