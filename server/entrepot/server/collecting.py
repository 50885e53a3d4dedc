"""Garbage collection beside serving, on one replica at a time."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from entrepot.core.collecting import runs
from entrepot.core.collecting.collection import Collected, Options, Watcher
from entrepot.core.collecting.collector import Collector
from entrepot.core.collecting.marking import MarkReport, Untagged
from entrepot.core.collecting.runs import Plan
from entrepot.core.collecting.sweeping import Swept
from entrepot.core.collecting.working import at_work, working
from entrepot.core.configuration import Configuration
from entrepot.core.registry import Registry
from entrepot.core.turns import take_turn
from entrepot.server.maintained import Maintained
from entrepot.server.scheduling import beside, repeat, replica

_LOG = logging.getLogger("entrepot.collecting")
_WORK = "garbagecollect"
_RESUMED = 600.0  # seconds; so often somebody looks whether a collection was left


@dataclass(frozen=True, slots=True)
class Schedule:
    """How to collect, and every how many seconds. `owner` names this replica on the store."""

    options: Options
    interval: float
    owner: str


def untagged_rules(configuration: Configuration) -> Untagged:
    """Which manifests without a tag may go, if any may."""
    rules = configuration.storage.maintenance.garbagecollect.untagged
    return Untagged(
        keep_last=rules.keeplast,
        older_than=rules.olderthan.seconds,
        repositories=rules.repositories,
        never_repositories=rules.exceptrepositories,
        artifact_types=rules.artifacttypes,
        never_artifact_types=rules.exceptartifacttypes,
    )


@asynccontextmanager
async def collecting(
    configuration: Configuration, registry: Registry, maintained: Maintained
) -> AsyncGenerator[None, None]:
    """Collects garbage as `storage.maintenance.garbagecollect` says, until left."""
    section = configuration.storage.maintenance.garbagecollect
    if not section.enabled:
        yield
        return
    untagged = untagged_rules(configuration) if section.deleteuntagged else None
    options = Options(section.grace.seconds, section.wait.seconds, untagged)
    schedule = Schedule(options, section.interval.seconds, replica())
    async with beside(keep_collecting(registry, schedule, maintained)):
        yield


async def keep_collecting(
    registry: Registry,
    schedule: Schedule,
    maintained: Maintained,
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    clock: Callable[[], float] = time.time,
) -> None:
    """Collect once in each interval, and soon go on with what a replica left that ended."""

    async def act() -> None:
        await collect_in_turn(registry, schedule, clock(), maintained)

    often = min(schedule.interval, _RESUMED)
    await repeat(act, often, _LOG, "garbage collection", "garbage was not collected", pause)


async def collect_in_turn(
    registry: Registry, schedule: Schedule, now: float, maintained: Maintained
) -> Collected | None:
    """One collection, if it is time for one or one was left, and no other replica does it.

    Raises CollectionError, ReadOnlyStoreError, StorageError.
    """
    driver, owner = registry.driver, schedule.owner
    work, interval = _WORK, schedule.interval
    if await runs.current(driver):
        work, interval = f"{_WORK}-resumed", _RESUMED
    if await at_work(driver) is not None or not await take_turn(driver, work, interval, now, owner):
        _LOG.debug("another replica collects garbage in this interval")
        return None
    watcher = _Logged(maintained)
    collector = Collector(driver, schedule.options, watcher=watcher, timing=registry.timing)
    async with working(driver, owner):
        done = await collector.collect()
    maintained.collected(done)
    if done.run:
        told = "garbage collected: %d manifests, %d layer links, %d blobs, %d bytes; %d failed"
        _LOG.info(told, *done.deleted.values(), done.freed, done.failed)
    return done


class _Logged(Watcher):
    def __init__(self, maintained: Maintained) -> None:
        self._maintained = maintained

    def marking(self, report: MarkReport, *, again: bool) -> None:
        _LOG.info("marking what is reachable%s", " again" if again else "")

    def resumed(self, run: str, plan: Plan) -> None:
        _LOG.info("going on with garbage collection %s of %d objects", run, plan.total)

    def published(self, run: str, plan: Plan) -> None:
        _LOG.info("garbage collection %s: %d objects condemned", run, plan.total)

    def swept(self, swept: Swept) -> None:
        self._maintained.swept(swept)
