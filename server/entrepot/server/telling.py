"""Who is told of events by a configuration: its observers, then the endpoints."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

from entrepot.core.chosen import Chosen, chosen
from entrepot.core.configuration import Configuration, observers
from entrepot.core.driver import Driver
from entrepot.core.errors import ConfigurationError
from entrepot.core.events import ObserverOptions, OpenObserver
from entrepot.core.guard import GuardedDriver
from entrepot.core.plugins import Plugins
from entrepot.server.listeners import Listener, Listeners
from entrepot.server.notifications.counts import Counts
from entrepot.server.notifications.receivers import Receiver, receivers
from entrepot.server.recording import recording

ChosenObserver: TypeAlias = Chosen[OpenObserver[Any], ObserverOptions]


@dataclass(frozen=True, slots=True)
class Audience:
    """Those who are to be told; nothing is open yet."""

    observers: Sequence[ChosenObserver]
    receivers: Sequence[Receiver]


def audience(configuration: Configuration, plugins: Plugins) -> Audience:
    """Raises ConfigurationError: with every mistake in `notifications`."""
    mistakes: list[str] = []
    found: Sequence[ChosenObserver] = ()
    wanting: Sequence[Receiver] = ()
    try:
        found = chosen(observers(configuration), plugins.observer)
    except ConfigurationError as error:
        mistakes.extend(error.mistakes)
    try:
        wanting = receivers(configuration)
    except ConfigurationError as error:
        mistakes.extend(error.mistakes)
    if mistakes:
        raise ConfigurationError(*mistakes)
    return Audience(found, wanting)


@asynccontextmanager
async def listening(
    configuration: Configuration, told: Audience, counts: Counts, driver: Driver
) -> AsyncGenerator[Listeners | None, None]:
    """All of them, open until the context is left; None if there is nobody.

    Where a rule of `policy.tags` asks for it, who records pulls on `driver` is among them.

    Raises ConfigurationError: if one of them cannot work as configured.
    """
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        listeners = [
            Listener(one.registered.name, await enter(one.registered.open(one.options)))
            for one in told.observers
        ]
        if told.receivers:
            # only now: it brings a database and an HTTP client
            from entrepot.server.notifications.opening import (  # noqa: PLC0415
                open_notifications,
            )

            opening = open_notifications(configuration, told.receivers, counts)
            listeners.append(Listener("notifications.endpoints", await enter(opening)))
        if any(rule.pulls for rule in configuration.policy.tags):
            guarded = GuardedDriver(driver, configuration.storage.driver)
            listeners.append(Listener("policy.tags", await enter(recording(guarded))))
        yield Listeners(listeners) if listeners else None
