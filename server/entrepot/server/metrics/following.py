"""Figures that other parts of the server keep as plain numbers, brought into metrics.

So those parts pay nothing for metrics, and know nothing of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from prometheus_client import Counter

from entrepot.core.registry import Registry
from entrepot.server.health import Health
from entrepot.server.maintained import Maintained
from entrepot.server.metrics.instruments import (
    CacheInstruments,
    HealthInstruments,
    MaintenanceInstruments,
    NotificationInstruments,
)
from entrepot.server.notifications.counts import Counts

Follow = Callable[[], None]
"""Brings the numbers up to date; on the event loop only."""


class Followed:
    """Counters that follow numbers which only grow, by the labels they were first given."""

    def __init__(self) -> None:
        self._seen: dict[Counter, int] = {}

    def bring(self, counter: Counter, number: int) -> int:
        """Bring one up to date; gives by how much it grew."""
        grown = number - self._seen.get(counter, 0)
        if grown:
            counter.inc(grown)
            self._seen[counter] = number
        return grown


class Cache(Protocol):
    """Counts of a cache since the start."""

    @property
    def hits(self) -> int: ...

    @property
    def misses(self) -> int: ...


def following_caches(instruments: CacheInstruments, registry: Registry) -> Follow:
    known = registry.descriptors
    caches: dict[str, Cache] = {
        "manifest": registry.manifests,
        "blob": registry.blobs,
        "descriptor": known,
    }
    followed = Followed()

    def follow() -> None:
        for name, cache in caches.items():
            requests = instruments.requests_of.labels(name)
            instruments.requests.inc(followed.bring(requests, cache.hits + cache.misses))
            instruments.hits.inc(followed.bring(instruments.hits_of.labels(name), cache.hits))
        followed.bring(instruments.errors, known.errors)

    return follow


def following_health(instruments: HealthInstruments, health: Health) -> Follow:
    return lambda: instruments.failing.set(len(health.failing))


def following_notifications(instruments: NotificationInstruments, counts: Counts) -> Follow:
    followed = Followed()

    def follow() -> None:
        for endpoint, of in counts.endpoints.items():
            for kind, number in (
                ("Events", of.events),
                ("Successes", of.successes),
                ("Failures", of.failures),
                ("Errors", of.errors),
                ("Dropped", of.dropped),
            ):
                followed.bring(instruments.events.labels(kind, endpoint), number)
            for status, number in of.statuses.items():
                followed.bring(instruments.statuses.labels(status, endpoint), number)
            instruments.pending.labels(endpoint).set(of.pending)
            instruments.dead.labels(endpoint).set(of.dead)

    return follow


def following_maintenance(instruments: MaintenanceInstruments, maintained: Maintained) -> Follow:
    followed = Followed()

    def follow() -> None:
        for counter, numbers in (
            (instruments.uploads, maintained.uploads),
            (instruments.tags, maintained.tags),
            (instruments.collections, maintained.collections),
        ):
            for outcome, number in numbers.items():
                followed.bring(counter.labels(outcome), number)
        for kind, numbers in maintained.garbage.items():
            for outcome, number in numbers.items():
                followed.bring(instruments.garbage.labels(kind, outcome), number)
        followed.bring(instruments.freed, maintained.freed)

    return follow
