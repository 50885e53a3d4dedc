"""Two collectors at one batch: what is acknowledged meanwhile outlives the slower one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from fnmatch import fnmatchcase

import pytest
from tests.core.collecting.clocked import (
    HOUR,
    Clock,
    ClockedDriver,
    Interruption,
    collect,
    push,
    replica,
)
from tests.core.interleaving import Turns, TurnsDriver, every_order
from tests.core.stores import CONFIG, NAME, image, read_blob

from entrepot.core.collecting import runs
from entrepot.core.collecting.sweeping import Sweeper
from entrepot.core.driver import Driver, Entry
from entrepot.core.errors import UnavailableError
from entrepot.core.names import Digest, Tag
from entrepot.core.registry import Registry
from entrepot.core.testing import Fault, FaultyDriver

pytestmark = pytest.mark.anyio

T = Tag("t")
IMAGE = image()


class Held(FaultyDriver):
    """A driver whose first write or deletion of such a key waits until it is let."""

    def __init__(self, driver: Driver, pattern: str) -> None:
        super().__init__(driver)
        self.pattern = pattern
        self.reached = asyncio.Event()
        self.let = asyncio.Event()

    async def write(self, key: str, chunks: AsyncIterator[bytes], *, create: bool = False) -> Entry:
        await self.hold(key)
        return await super().write(key, chunks, create=create)

    async def delete(self, keys: Sequence[str]) -> None:
        await self.hold(*keys)
        await super().delete(keys)

    async def reached_or(self, work: asyncio.Task[object]) -> None:
        """Until it waits, or is done without."""
        reached = asyncio.ensure_future(self.reached.wait())
        await asyncio.wait([work, reached], return_when=asyncio.FIRST_COMPLETED)
        reached.cancel()

    async def hold(self, *keys: str) -> None:
        if any(fnmatchcase(key, self.pattern) for key in keys):
            self.reached.set()
            await self.let.wait()


async def assert_tagged(registry: Registry) -> None:
    """What a reader gets."""
    repository = registry.repository(NAME)
    assert (await repository.manifests.get(T)).content == IMAGE
    assert await read_blob(repository, Digest.of(CONFIG)) == CONFIG


@pytest.mark.parametrize("pattern", ["*/revisions/*", "*/_layers/*", "*/blobs/*"])
async def test_push_waits_for_who_helps_a_collector_that_is_done(pattern: str) -> None:
    clock = Clock()
    driver = ClockedDriver(clock)
    async with replica(driver, clock) as registry:
        repository = registry.repository(NAME)
        await push(repository, None, IMAGE)
        clock.now += 3 * HOUR
        owner, helper = Held(driver, pattern), Held(driver, pattern)
        first = asyncio.create_task(collect(owner, clock, untagged=True))
        await owner.reached.wait()
        second = asyncio.create_task(collect(helper, clock, untagged=True))
        await helper.reached.wait()
        owner.let.set()
        assert not (await first).is_ended

        with pytest.raises(UnavailableError, match="deleting"):
            await push(repository, T, IMAGE)
        helper.let.set()
        await second
        await push(repository, T, IMAGE)

    await collect(driver, clock, untagged=True)
    assert await runs.current(driver) == []
    async with replica(driver, clock) as registry:
        await assert_tagged(registry)


async def test_collector_asks_for_the_time_of_several_batches_at_once() -> None:
    async def case(turns: Turns) -> None:
        clock = Clock()
        driver = TurnsDriver(ClockedDriver(clock), turns)
        asked = await turns.run(runs.now(driver, "owner"), runs.now(driver, "owner"))
        assert asked == [clock.now, clock.now]

    assert await every_order(case)


async def test_help_comes_too_late_when_the_run_is_over() -> None:
    clock = Clock()
    driver = ClockedDriver(clock)
    async with replica(driver, clock) as registry:
        repository = registry.repository(NAME)
        await push(repository, None, IMAGE)
        clock.now += 3 * HOUR
        owner, helper = Held(driver, "*/revisions/*"), Held(driver, f"{runs.ROOT}runs/*/helps/*")
        first = asyncio.create_task(collect(owner, clock, untagged=True))
        await owner.reached.wait()
        second = asyncio.create_task(collect(helper, clock, untagged=True))
        await helper.reached.wait()
        owner.let.set()
        assert (await first).is_ended

        await push(repository, T, IMAGE)
        helper.let.set()
        await second

    async with replica(driver, clock) as registry:
        await assert_tagged(registry)
    assert [key for key in driver.store if key.startswith(runs.ROOT)] == []


async def test_batch_of_which_one_collector_keeps_all_is_not_done_for_the_other() -> None:
    """They may have kept different links, if the store failed one of them."""
    clock = Clock()
    driver = ClockedDriver(clock)
    async with replica(driver, clock) as registry:
        repository = registry.repository(NAME)
        await push(repository, None, IMAGE)
        clock.now += 3 * HOUR
        dying = Fault("write", Interruption(), keys=f"{runs.ROOT}runs/*/claims/*")
        with pytest.raises(Interruption):
            await collect(FaultyDriver(driver, dying), clock, untagged=True)
        [(run, _)] = await runs.current(driver)
        spared = await runs.read_keys(driver, run, run.spared)
        [number] = (await runs.read_plan(driver, run)).numbers("blob")
        keep = {str(Digest.of(content)) for content in (IMAGE, CONFIG)}
        deleting = Held(driver, "*/blobs/*")
        claiming = Held(deleting, f"{runs.ROOT}runs/*/claims/*")
        other = Sweeper(claiming, run, spared, "slow", clock.timing).sweep(number)
        second = asyncio.create_task(other)
        await claiming.reached.wait()
        await Sweeper(driver, run, spared, "keeping", clock.timing).sweep(number, keep)
        claiming.let.set()
        await deleting.reached_or(second)

        await push(repository, T, IMAGE)
        deleting.let.set()
        await second

    async with replica(driver, clock) as registry:
        await assert_tagged(registry)
