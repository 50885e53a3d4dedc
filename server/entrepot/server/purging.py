"""Purging of uploads beside serving, on one replica at a time."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from entrepot.core.configuration import Configuration, Duration
from entrepot.core.purging import OpenUpload, Purged, purge
from entrepot.core.registry import Registry
from entrepot.core.turns import take_turn
from entrepot.server.maintained import Maintained
from entrepot.server.scheduling import beside, repeat, replica

_LOG = logging.getLogger("entrepot.purging")
_WORK = "uploadpurging"


@dataclass(frozen=True, slots=True)
class Schedule:
    """When to purge, and what. `owner` names this replica on the store."""

    age: Duration
    interval: Duration
    is_dry_run: bool
    owner: str


@asynccontextmanager
async def purging(
    configuration: Configuration, registry: Registry, maintained: Maintained
) -> AsyncGenerator[None, None]:
    """Purges in the background as `storage.maintenance.uploadpurging` says, until left."""
    section = configuration.storage.maintenance.uploadpurging
    if not section.enabled:
        yield
        return
    schedule = Schedule(section.age, section.interval, section.dryrun, replica())
    async with beside(keep_purging(registry, schedule, maintained)):
        yield


async def keep_purging(
    registry: Registry,
    schedule: Schedule,
    maintained: Maintained,
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    clock: Callable[[], float] = time.time,
) -> None:
    """Purge once in each interval, the first time after a while that differs by replica."""

    async def act() -> None:
        done = await purge_in_turn(registry, schedule, clock())
        if done is not None and not schedule.is_dry_run:
            maintained.purged(done)

    interval = schedule.interval.seconds
    await repeat(act, interval, _LOG, "upload purge", "uploads were not purged", pause)


async def purge_in_turn(registry: Registry, schedule: Schedule, now: float) -> Purged | None:
    """One run, unless another replica has the turn in this interval.

    Raises StorageError.
    """
    interval = schedule.interval.seconds
    if not await take_turn(registry.driver, _WORK, interval, now, schedule.owner):
        _LOG.debug("another replica purges uploads in this interval")
        return None
    acts = "false" if schedule.is_dry_run else "true"
    _LOG.info("PurgeUploads starting: olderThan=%s, actuallyDelete=%s", schedule.age, acts)
    done = await purge(registry, schedule.age.seconds, now, dry_run=schedule.is_dry_run, told=_tell)
    _LOG.info(
        "Purge uploads finished.  Num deleted=%d, num errors=%d, num kept=%d",
        done.removed,
        done.failed,
        done.seen - done.removed - done.failed,
    )
    return done


def _tell(upload: OpenUpload) -> None:
    _LOG.info("purged upload %s of %s", upload.id, upload.repository)
