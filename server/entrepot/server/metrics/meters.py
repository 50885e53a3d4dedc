"""The metrics of one application, and how they come to their values."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
)
from starlette.types import ASGIApp

from entrepot.core.registry import Registry
from entrepot.server.health import Health
from entrepot.server.health.sharing import SHARED_FOLDER
from entrepot.server.maintained import Maintained
from entrepot.server.metrics.following import (
    Follow,
    following_caches,
    following_health,
    following_maintenance,
    following_notifications,
)
from entrepot.server.metrics.instruments import (
    AccessInstruments,
    CacheInstruments,
    HealthInstruments,
    HttpInstruments,
    MaintenanceInstruments,
    NotificationInstruments,
    ProxyInstruments,
    StorageInstruments,
    UploadInstruments,
)
from entrepot.server.metrics.requests import KindOf, Measured
from entrepot.server.metrics.storage import StorageMeter
from entrepot.server.notifications.counts import Counts

_PAUSE = 1.0  # seconds between two times that a worker's followed numbers are brought up to date


class Metrics:
    """`observe` is what the guard tells of calls; `follows` are asked before values are read."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.follows: list[Follow] = []
        self.access = AccessInstruments(self.registry)
        self.caches = CacheInstruments(self.registry)
        self.health = HealthInstruments(self.registry)
        self.http = HttpInstruments(self.registry)
        self.maintenance = MaintenanceInstruments(self.registry)
        self.notifications = NotificationInstruments(self.registry)
        self.proxy = ProxyInstruments(self.registry)
        self.uploads = UploadInstruments(self.registry)
        self.observe = StorageMeter(StorageInstruments(self.registry))
        self._add_process()

    def measured(self, app: ASGIApp, kind_of: KindOf) -> ASGIApp:
        """The same application, its requests measured."""
        return Measured(app, kind_of, self.http, self.uploads, self.access)

    def refresh(self) -> None:
        """Bring up to date what is not counted as it happens."""
        for follow in self.follows:
            follow()

    def follow(
        self, registry: Registry, health: Health, notifications: Counts, maintained: Maintained
    ) -> None:
        """Ask these for their numbers from now on."""
        self.follows = [
            following_caches(self.caches, registry),
            following_health(self.health, health),
            following_notifications(self.notifications, notifications),
            following_maintenance(self.maintenance, maintained),
        ]

    @asynccontextmanager
    async def kept_fresh(self) -> AsyncGenerator[None, None]:
        """With several workers, refreshed again and again: who shows the values is another
        process and cannot ask for it.
        """
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self._keep_fresh()) if SHARED_FOLDER in os.environ else None
            try:
                yield
            finally:
                self.refresh()
                if task is not None:
                    task.cancel()

    async def _keep_fresh(self) -> None:
        while True:
            self.refresh()
            await asyncio.sleep(_PAUSE)

    def _add_process(self) -> None:
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
