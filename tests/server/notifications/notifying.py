"""Notifications that tests open, over an outbox of their own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from entrepot.core.configuration import Configuration
from entrepot.core.events import Action, Event, Source, Target
from entrepot.server.notifications import Counts
from entrepot.server.notifications.opening import Notifications, open_notifications
from entrepot.server.notifications.outbox import Outbox
from entrepot.server.notifications.receivers import receivers

FAST = {"timeout": "5s", "backoff": "1ms"}
IMPATIENT = {"timeout": "200ms"}
"""For receivers that hang."""


def event(tag: str = "1", action: Action = "push", media_type: str = "", origin: str = "") -> Event:
    target = Target("team/app", "sha256:1", media_type, 3, tag, from_repository=origin)
    return Event(str(uuid4()), 1700000000.25, action, target, Source("r", method="PUT"), "ann")


class Running:
    """Notifications that are open, their counts, and where their outbox is."""

    def __init__(self, notifications: Notifications, counts: Counts, folder: str) -> None:
        self.observe = notifications.observe
        self.notifications = notifications
        self.counts = counts
        self.folder = folder

    async def push(self, *tags: str) -> None:
        for tag in tags:
            await self.observe(event(tag))

    async def until(self, **wanted: int) -> None:
        """Wait until an endpoint's counts are these. Raises TimeoutError."""
        async with asyncio.timeout(10):
            while not self._has(wanted):  # noqa: ASYNC110 - counts wake nobody
                await asyncio.sleep(0.005)

    def _has(self, wanted: dict[str, int]) -> bool:
        counts = self.counts.of("a")
        return all(getattr(counts, key) == value for key, value in wanted.items())


def settings(folder: str, *endpoints: dict[str, Any], **outbox: Any) -> Configuration:
    return Configuration.model_validate(
        {
            "storage": {"inmemory": {}},
            "http": {"addr": "127.0.0.1:5000", "draintimeout": "5s"},
            "notifications": {
                "outbox": {"path": folder, **outbox},
                "endpoints": [FAST | {"name": "a"} | endpoint for endpoint in endpoints],
            },
        }
    )


@asynccontextmanager
async def running(configuration: Configuration) -> AsyncGenerator[Running, None]:
    counts = Counts()
    wanting = receivers(configuration)
    async with open_notifications(configuration, wanting, counts) as notifications:
        yield Running(notifications, counts, configuration.notifications.outbox.path)


def exists(folder: str) -> bool:
    return Path(folder).exists()


def waiting(folder: str, endpoint: str = "a") -> list[str]:
    """What is in the outbox still."""
    outbox = Outbox(folder)
    try:
        return [one.subject for one in outbox.first(endpoint, 1000)]
    finally:
        outbox.close()


def reasons(folder: str) -> list[tuple[str, str]]:
    """Dead letters, and why."""
    outbox = Outbox(folder)
    try:
        return [(one.subject, one.reason) for one in outbox.dead()]
    finally:
        outbox.close()
