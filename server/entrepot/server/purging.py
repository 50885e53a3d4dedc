"""Purging of uploads beside serving, on one replica at a time."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import socket
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from entrepot.core.configuration import Configuration, Duration
from entrepot.core.errors import StorageError
from entrepot.core.purging import OpenUpload, Purged, purge
from entrepot.core.registry import Registry
from entrepot.core.turns import take_turn

_LOG = logging.getLogger("entrepot.purging")
_WORK = "uploadpurging"
_LONGEST_START = 3600.0  # seconds; Distribution begins within the first hour, too


@dataclass(frozen=True, slots=True)
class Schedule:
    """When to purge, and what. `owner` names this replica on the store."""

    age: Duration
    interval: Duration
    is_dry_run: bool
    owner: str


@asynccontextmanager
async def purging(configuration: Configuration, registry: Registry) -> AsyncGenerator[None, None]:
    """Purges in the background as `storage.maintenance.uploadpurging` says, until left."""
    section = configuration.storage.maintenance.uploadpurging
    if not section.enabled:
        yield
        return
    owner = f"{socket.gethostname()}:{os.getpid()}"
    schedule = Schedule(section.age, section.interval, section.dryrun, owner)
    task = asyncio.create_task(keep_purging(registry, schedule))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def keep_purging(
    registry: Registry,
    schedule: Schedule,
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    clock: Callable[[], float] = time.time,
) -> None:
    """Purge once in each interval, the first time after a while that differs by replica."""
    interval = schedule.interval.seconds
    wait = random.uniform(0, min(interval, _LONGEST_START))  # noqa: S311 - spreads load
    while True:
        _LOG.info("Starting upload purge in %d s", wait)
        await pause(wait)
        try:
            await purge_in_turn(registry, schedule, clock())
        except StorageError as error:
            _LOG.warning("uploads were not purged, the next try is in %s: %s", interval, error)
        except Exception:
            _LOG.exception("uploads were not purged, the next try is in %s", interval)
        wait = interval


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
