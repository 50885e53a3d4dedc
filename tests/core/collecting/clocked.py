"""A store and registries that share a clock which only a test moves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

from tests.core.stores import CONFIG, chunks
from tests.core.testing.dictionary import DictionaryDriver, Stored

from entrepot.core.collecting.collection import Collected, Options
from entrepot.core.collecting.collector import Collector
from entrepot.core.collecting.marking import Untagged
from entrepot.core.collecting.timing import Timing
from entrepot.core.driver import Driver, Entry
from entrepot.core.names import Digest, Reference
from entrepot.core.registry import Registry, Repository, Rules, open_registry

HOUR = 3600.0


class Interruption(BaseException):
    """The collector's process ends here."""


class Clock:
    """Seconds; who pauses moves it on."""

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.timing = Timing(lambda: self.now, self.pause)

    async def pause(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)


class ClockedDriver(DictionaryDriver):
    """A dictionary whose objects have the clock's times."""

    def __init__(self, clock: Clock) -> None:
        super().__init__({})
        self.clock = clock

    async def write(self, key: str, chunks: AsyncIterator[bytes], *, create: bool = False) -> Entry:
        await super().write(key, chunks, create=create)
        self.store[key] = Stored(self.store[key].content, self.clock.now)
        return self.entry(key)


@asynccontextmanager
async def replica(
    driver: Driver, clock: Clock, rules: Rules | None = None
) -> AsyncGenerator[Registry, None]:
    """A registry over the store, with what it remembers of its own."""
    opening = open_registry(driver, rules or Rules(), timing=clock.timing)
    async with opening as registry:
        yield registry


def collector(driver: Driver, clock: Clock, *, grace: float = HOUR, **more: bool) -> Collector:
    """One that waits an hour; `untagged` and `is_offline` may be set."""
    untagged = Untagged() if more.pop("untagged", False) else None
    return Collector(driver, Options(grace, HOUR, untagged, **more), timing=clock.timing)


async def collect(driver: Driver, clock: Clock, *, grace: float = HOUR, **more: bool) -> Collected:
    return await collector(driver, clock, grace=grace, **more).collect()


async def push_blobs(repository: Repository, *layers: bytes) -> None:
    """What an image of these layers names."""
    for layer in (CONFIG, *layers):
        await repository.blobs.put(Digest.of(layer), chunks(layer))


async def push(
    repository: Repository, reference: Reference | None, manifest: bytes, *layers: bytes
) -> Digest:
    """An image with all it names, without a tag if there is no reference."""
    await push_blobs(repository, *layers)
    digest = Digest.of(manifest)
    await repository.manifests.put(reference or digest, manifest, None)
    return digest
