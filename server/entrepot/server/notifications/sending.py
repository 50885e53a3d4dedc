"""Delivers the letters of one endpoint: in order, one at a time, again until they are taken."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import takewhile

from entrepot.server.notifications.counts import EndpointCounts
from entrepot.server.notifications.forms import CLOUD_EVENT, request_body
from entrepot.server.notifications.keeping import Keeper
from entrepot.server.notifications.letters import Letter
from entrepot.server.notifications.lock import Lock
from entrepot.server.notifications.outbox import Outbox
from entrepot.server.notifications.posting import Mailbox, Outcome
from entrepot.server.notifications.seldom import Seldom

_LOG = logging.getLogger("entrepot.server.notifications")
_LOOK_SECONDS = 1.0  # between looks for what other processes wrote, and whether they are gone

LETTERS = 64
"""How many are looked at together; as many may come twice after a crash."""


@dataclass(frozen=True, slots=True)
class Patience:
    """When a receiver is left alone, and when a letter is given up. Times are seconds.

    After `threshold` failures in a row, `backoff` passes before each further try. A letter is
    given up after `refusals` answers that refuse it, or at `age`; 0: never. Up to `batch` are
    sent in one request; after a failure one alone, so that none is refused for another.
    """

    threshold: int = 10
    backoff: float = 1.0
    refusals: int = 0
    age: float = 0.0
    batch: int = 1


class Sender:
    """One endpoint's. Of all processes that share an outbox, the holder of the lock sends."""

    def __init__(
        self,
        name: str,
        mailbox: Mailbox,
        patience: Patience,
        lock: Lock,
        outbox: Outbox,
        keeper: Keeper,
        counts: EndpointCounts,
    ) -> None:
        self.name = name
        self._mailbox = mailbox
        self._patience = patience
        self._lock = lock
        self._outbox = outbox
        self._keeper = keeper
        self._counts = counts
        self._wake = asyncio.Event()
        self._seldom = Seldom()
        self._failures = 0  # in a row
        self._gone: list[int] = []
        self._ending = asyncio.Event()

    def wake(self) -> None:
        """There is something new."""
        self._wake.set()

    async def run(self) -> None:
        """Send until cancelled, or after `end` until nothing is left or something fails."""
        try:
            async with self._mailbox:
                while not (await self._turn() and self._ending.is_set()):
                    pass
        finally:
            self._lock.give_back()

    def end(self) -> None:
        """Go on for as long as letters are taken."""
        self._ending.set()
        self._wake.set()

    async def _turn(self) -> bool:
        """Send what there is, then wait for more; whether nothing can be done for now."""
        try:
            if self._lock.take():
                await self._settle()
                letters = await self._keeper.ask(
                    self._outbox.first, self.name, max(LETTERS, self._patience.batch)
                )
                if letters:
                    return not await self._deliver(letters)
            self._keeper.note(self.name, await self._keeper.ask(self._outbox.room, self.name))
        except Exception as error:  # whatever it is, it must not end the registry
            told = "endpoint %s: nothing can be sent for now: %s: %s"
            self._seldom.tell(_LOG, "turn", told, self.name, type(error).__name__, error)
        await self._pause(_LOOK_SECONDS)
        return True

    async def _pause(self, seconds: float) -> None:
        if not self._ending.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._wake.wait()
            self._wake.clear()

    async def _deliver(self, letters: list[Letter]) -> bool:
        """Deliver letters in order, up to the first that fails; whether all went."""
        gone: list[int] = []
        left = letters
        try:
            while left:
                batch = self._batch(left)
                kind = batch[0].content_type
                body = request_body(kind, [letter.body for letter in batch])
                outcome = await self._mailbox.post(kind, body)
                self._count(outcome, len(batch))
                if not outcome.is_delivered:
                    await self._settle(gone)
                    gone = []
                    await self._failed(batch, outcome)
                    return False
                gone += [letter.number for letter in batch]
                left = left[len(batch) :]
            return True
        finally:
            await self._settle(gone)

    def _batch(self, letters: list[Letter]) -> list[Letter]:
        """Those that go into the next request."""
        kind = letters[0].content_type
        most = 1 if self._failures or kind == CLOUD_EVENT else self._patience.batch
        return list(takewhile(lambda one: one.content_type == kind, letters[:most]))

    async def _settle(self, gone: Sequence[int] = ()) -> None:
        """Forget letters that were delivered, and those that the disk could not forget before."""
        self._gone += gone
        if self._gone:
            room = await self._keeper.ask(self._outbox.settle, self.name, self._gone)
            self._gone = []
            self._keeper.note(self.name, room)

    async def _failed(self, batch: list[Letter], outcome: Outcome) -> None:
        """Give a letter up, or leave the receiver alone for a while."""
        letter = batch[0]
        refusals = letter.refusals + (1 if outcome.status and len(batch) == 1 else 0)
        patience = self._patience
        reason = self._given_up(letter, refusals)
        told = "endpoint %s does not take events: %s; the oldest is from %s"
        since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(letter.moment))
        self._seldom.tell(_LOG, "failure", told, self.name, outcome.reason, since)
        if reason:
            until = time.time() - patience.age if self._is_old(letter) else None
            why = f"{reason}; at last {outcome.reason}"
            room = await self._keeper.ask(self._outbox.bury, letter, until, why)
            self._keeper.note(self.name, room)
        elif patience.refusals and refusals != letter.refusals:
            await self._keeper.ask(self._outbox.settle, self.name, (), [(letter.number, refusals)])
        if self._failures >= patience.threshold:
            with suppress(TimeoutError):
                async with asyncio.timeout(patience.backoff):
                    await self._ending.wait()

    def _given_up(self, letter: Letter, refusals: int) -> str:
        patience = self._patience
        if patience.refusals and refusals >= patience.refusals:
            return f"refused {refusals} times"
        return f"older than {patience.age:g} s" if self._is_old(letter) else ""

    def _is_old(self, letter: Letter) -> bool:
        age = self._patience.age
        return bool(age) and time.time() - letter.moment >= age

    def _count(self, outcome: Outcome, letters: int) -> None:
        counts = self._counts
        if outcome.status:
            counts.statuses[outcome.label] += 1
        if outcome.is_delivered:
            counts.successes += letters
            if self._failures:
                self._seldom.forget("failure")
            self._failures = 0
            return
        self._failures += 1
        if outcome.status:
            counts.failures += letters
        else:
            counts.errors += letters
