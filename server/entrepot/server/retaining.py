"""Removal of expired tags beside serving, on one replica at a time."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from entrepot.core.configuration import Configuration
from entrepot.core.registry import Registry
from entrepot.core.retention import Decision, Retained, retain
from entrepot.core.turns import take_turn
from entrepot.server.maintained import Maintained
from entrepot.server.scheduling import beside, repeat, replica

_LOG = logging.getLogger("entrepot.retention")
_WORK = "retention"


@asynccontextmanager
async def retaining(
    configuration: Configuration, registry: Registry, maintained: Maintained
) -> AsyncGenerator[None, None]:
    """Removes expired tags as `storage.maintenance.retention` says, until left."""
    section = configuration.storage.maintenance.retention
    if not (section.enabled and registry.rules.tags.expires):
        yield
        return
    interval = section.interval.seconds

    async def act() -> None:
        done = await retain_in_turn(registry, interval, time.time(), is_dry_run=section.dryrun)
        if done is not None and not section.dryrun:
            maintained.retained(done)

    failed = "expired tags were not removed"
    async with beside(repeat(act, interval, _LOG, "removal of expired tags", failed)):
        yield


async def retain_in_turn(
    registry: Registry, interval: float, now: float, *, is_dry_run: bool
) -> Retained | None:
    """One run, unless another replica has the turn in this interval, of that many seconds.

    Raises StorageError; ReadOnlyStoreError: if the store was switched to read-only.
    """
    if not await take_turn(registry.driver, _WORK, interval, now, replica()):
        _LOG.debug("another replica removes expired tags in this interval")
        return None
    verb = "would be removed" if is_dry_run else "removed"

    def tell(decision: Decision) -> None:
        if decision.expires:
            why = "; ".join(map(str, decision.reasons))
            _LOG.info("tag %s:%s %s: %s", decision.repository, decision.tag, verb, why)

    done = await retain(registry, now, dry_run=is_dry_run, told=tell)
    told = "%d of %d tags expired and %s, %d could not be"
    _LOG.info(told, done.removed, done.seen, verb, done.failed)
    return done
