"""Notifications as one observer of events, open while the registry serves."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass

from entrepot.core.configuration import Configuration
from entrepot.core.configuration.model_services import Endpoint
from entrepot.core.events import Event
from entrepot.core.threads import Threads
from entrepot.server.notifications.counts import Counts
from entrepot.server.notifications.forms import Form, Origin
from entrepot.server.notifications.keeping import Keeper
from entrepot.server.notifications.lock import Lock
from entrepot.server.notifications.outbox import Bounds, Outbox
from entrepot.server.notifications.posting import Mailbox
from entrepot.server.notifications.receivers import Receiver, Writer
from entrepot.server.notifications.schema import MEMORY
from entrepot.server.notifications.sending import Patience, Sender

_LOG = logging.getLogger("entrepot.server.notifications")
_THRESHOLD = 10  # Distribution's for a threshold of 0
_SECOND = 1.0  # Distribution's for a timeout or backoff of 0


@dataclass(frozen=True, slots=True)
class Notifications:
    """Takes events for all endpoints; an `Observer`."""

    writer: Writer
    keeper: Keeper

    async def observe(self, event: Event) -> None:
        """Returns when a push or a deletion is on disk; a pull gets there soon."""
        await self.keeper.keep(self.writer.letters(event))


def folder(configuration: Configuration) -> str:
    """Where the outbox is, or `MEMORY`."""
    outbox = configuration.notifications.outbox
    return MEMORY if outbox.disabled else outbox.path


@asynccontextmanager
async def open_notifications(
    configuration: Configuration, wanting: Sequence[Receiver], counts: Counts
) -> AsyncGenerator[Notifications, None]:
    """What tells the endpoints; at the end, `http.draintimeout` is left to deliver the rest.

    Raises ConfigurationError: if there can be no outbox.
    """
    section = configuration.notifications
    form = Form(Origin.here(configuration.http), references=section.events.includereferences)
    with closing(_outbox(configuration)) as outbox, closing(Threads(1, "outbox")) as threads:
        keeper = Keeper(outbox, threads, counts)
        senders = {one.name: _sender(one, configuration, outbox, keeper, counts) for one in wanting}
        keeper.added = lambda name: senders[name].wake()
        _greet(outbox, senders, counts)
        try:
            async with asyncio.TaskGroup() as group:
                keeping = group.create_task(keeper.run())
                sending = [group.create_task(sender.run()) for sender in senders.values()]
                try:
                    yield Notifications(Writer(wanting, form), keeper)
                finally:
                    keeper.end()
                    await keeping
                    await _drain(senders, sending, configuration.http.draintimeout.seconds)
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        _tell_rest(outbox, senders, is_lost=section.outbox.disabled)


def _outbox(configuration: Configuration) -> Outbox:
    section = configuration.notifications.outbox
    return Outbox(folder(configuration), Bounds(section.maxevents, section.maxbytes))


def _sender(
    receiver: Receiver,
    configuration: Configuration,
    outbox: Outbox,
    keeper: Keeper,
    counts: Counts,
) -> Sender:
    endpoint = receiver.endpoint
    where = folder(configuration)
    mailbox = Mailbox(endpoint.url, endpoint.headers, endpoint.timeout.seconds or _SECOND)
    lock = Lock(None if where == MEMORY else where, receiver.name)
    return Sender(
        receiver.name, mailbox, _patience(endpoint), lock, outbox, keeper, counts.of(receiver.name)
    )


def _patience(endpoint: Endpoint) -> Patience:
    return Patience(
        endpoint.threshold or _THRESHOLD,
        endpoint.backoff.seconds or _SECOND,
        endpoint.maxattempts,
        endpoint.maxage.seconds,
        endpoint.batch,
    )


def _greet(outbox: Outbox, senders: dict[str, Sender], counts: Counts) -> None:
    """Say what an earlier start left."""
    for name in outbox.endpoints():
        room = outbox.room(name)
        if name not in senders:
            told = "outbox: %d event(s) wait for endpoint %s, which is not configured any more"
            _LOG.warning(told, room.pending + room.dead, name)
            continue
        counts.of(name).pending, counts.of(name).dead = room.pending, room.dead
        told = "outbox: %d event(s) wait for endpoint %s, %d dead letter(s)"
        _LOG.info(told, room.pending, name, room.dead)


async def _drain(
    senders: dict[str, Sender], sending: Sequence[asyncio.Task[None]], seconds: float
) -> None:
    for sender in senders.values():
        sender.end()
    await asyncio.wait(sending, timeout=seconds)
    for task in sending:
        task.cancel()
    await asyncio.wait(sending)


def _tell_rest(outbox: Outbox, senders: dict[str, Sender], *, is_lost: bool) -> None:
    for name in senders:
        if pending := outbox.room(name).pending:
            fate = "are lost" if is_lost else "wait for the next start"
            _LOG.warning("%d event(s) for endpoint %s %s", pending, name, fate)
