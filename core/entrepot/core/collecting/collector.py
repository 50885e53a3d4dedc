"""Garbage collection while registries serve, by any number of them and of collectors.

A run marks, condemns what nothing leads to, publishes that, waits, marks again, and deletes
what is unreachable still. Killed at any instant, it is gone on with by whoever collects next.
Where no registry writes, and no run is under way, `offline` does with less.

Why nothing is lost: a key is deleted only if no path led to it in the first mark and none in
the second, and whatever makes a path in between is a push. One that knows of the run settles
(see `Condemned`) what it relies on before it writes; one that does not began before the run
was visible, so it ended before the second mark began, which saw what it wrote; and one that is
so slow that neither is sure looks again after its last write. A settled key is rescued, or no
collector deletes it any more and the store says whether it is there. One exclusive creation
decides between rescue and deletion. Revision links are deleted first, each by a claim of its
own, and what they name only when all of them are gone or rescued, so that a revision that is
there never lacks what it names.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import aclosing
from uuid import uuid4

from entrepot.core.collecting import marking, runs
from entrepot.core.collecting.collection import (
    Collected,
    CollectionError,
    Marker,
    Options,
    Watcher,
)
from entrepot.core.collecting.condemning import Lists
from entrepot.core.collecting.hashed import HashedKeys
from entrepot.core.collecting.marking import Garbage, MarkOptions, MarkReport
from entrepot.core.collecting.offline import OfflineCollector
from entrepot.core.collecting.runs import KINDS, Plan, Run
from entrepot.core.collecting.sweeping import Sweeper, Swept
from entrepot.core.collecting.timing import COARSENESS, REAL, SHORTEST_WAIT, Timing
from entrepot.core.concurrency import each
from entrepot.core.driver import Driver
from entrepot.core.errors import NotFoundError
from entrepot.core.listing import exists
from entrepot.core.read_only import Switch
from entrepot.core.streams import once

_WIDTH = 4  # batches under way
_LONGEST_PAUSE = 30.0  # seconds between two looks at the store's clock


class Collector:
    """Collects the garbage of one store."""

    def __init__(
        self,
        driver: Driver,
        options: Options,
        *,
        marker: Marker = marking,
        watcher: Watcher | None = None,
        timing: Timing = REAL,
    ) -> None:
        self._driver = driver
        self._options = options
        self._marker = marker
        self._watcher = watcher or Watcher()
        self._timing = timing
        self._owner = uuid4().hex
        self._switch = Switch(driver, clock=timing.clock)
        self._published: Run | None = None

    async def would_condemn(self, now: float) -> AsyncGenerator[Garbage, None]:
        """What a collection that begins `now` would condemn; nothing is written."""
        report = MarkReport()
        self._watcher.marking(report, again=False)
        options = MarkOptions(self._options.grace, now, self._options.untagged)
        async with aclosing(self._marker.unreachable(self._driver, options, report)) as garbage:
            async for one in garbage:
                yield one

    async def collect(self) -> Collected:
        """Go on with the run under way, or begin one, to its end.

        Cancelled, it leaves a run to be gone on with.

        Raises CollectionError: if the driver does not let it, unless `is_offline`;
        ReadOnlyStoreError; StorageError: the run is then as if this collector had been killed.
        """
        if not self._options.is_offline:
            self._check()
        await self._switch.check()
        now = await self._now()
        await runs.remove_leftovers(self._driver, now)
        done = Collected()
        if self._options.is_offline and await self._under_way() is None:
            await self._collect_offline(now, done)
            return done
        run = await self._find(done)
        if run is not None:
            try:
                await self._finish(run, done)
            except NotFoundError:
                if await runs.is_current(self._driver, run):
                    raise
        return done

    def _check(self) -> None:
        """Raises CollectionError: if registries must not serve meanwhile."""
        if not self._driver.exclusive_create:
            raise CollectionError(
                "this storage cannot create an object exclusively, so garbage can only be "
                "collected while no registry serves it (--offline)"
            )
        if not self._driver.collectable:
            raise CollectionError(
                "two stores change places here, so garbage can only be collected once one of them "
                "is gone from the configuration, or while no registry serves them (--offline)"
            )

    async def _collect_offline(self, now: float, done: Collected) -> None:
        collector = OfflineCollector(self._driver, self._marker, self._watcher, self._switch)
        await collector.collect(MarkOptions(0.0, now, self._options.untagged), done)
        if done.plan is not None and done.plan.total:
            done.run = Run.new(now).id  # a name for what was done; the store has no such run

    async def _find(self, done: Collected) -> Run | None:
        """The run under way, or else a new one, published; None if there is no garbage."""
        run = await self._under_way()
        if run is None:
            run = Run.new(await self._now())
            done.plan = await self._condemn(run)
            other = await self._under_way()
            if done.plan.total == 0 or other is not None:
                await runs.remove(self._driver, run)
                run = other
            else:
                await self._publish(run, done.plan)
        if run is not None:
            done.run = run.id
        return run

    async def _under_way(self) -> Run | None:
        found = await runs.current(self._driver)
        return found[0][0] if found else None

    async def _publish(self, run: Run, plan: Plan) -> None:
        await self._driver.write(run.marker, once(run.id.encode()))
        self._published = run
        self._watcher.published(run.id, plan)

    async def _finish(self, run: Run, done: Collected) -> None:
        """Raises NotFoundError: if another collector ended the run meanwhile."""
        done.plan = await runs.read_plan(self._driver, run)
        if run != self._published:
            done.is_resumed = True
            self._watcher.resumed(run.id, done.plan)
        if not await exists(self._driver, run.spared):
            await self._wait(run)
            await self._mark_again(run, done.plan)
        spared = await runs.read_keys(self._driver, run, run.spared)
        done.spared = len(spared)
        sweeper = Sweeper(self._driver, run, spared, self._owner, self._timing)
        await self._sweep(run, done.plan, sweeper, done)

    async def _condemn(self, run: Run) -> Plan:
        """The first mark: writes the run's lists, and nothing at all if there is no garbage."""
        options = await self._mark_options()
        report = MarkReport()
        self._watcher.marking(report, again=False)
        lists = Lists(self._driver, run, Plan(options))
        garbage = self._marker.unreachable(self._driver, options, report)
        async with aclosing(garbage):
            async for one in garbage:
                if not await lists.add(one):
                    break
                self._watcher.condemned(one)
        await lists.end()
        return lists.plan

    async def _wait(self, run: Run) -> None:
        """Until the run was published so long ago that no push is under way that ignores it."""
        wait = 0.0 if self._options.is_offline else max(self._options.wait, SHORTEST_WAIT)
        published = (await self._driver.stat(run.marker)).modified
        while True:
            left = published + wait - await self._now()
            if left <= 0:
                return
            self._watcher.waiting(left)
            await self._timing.pause(min(left, _LONGEST_PAUSE))

    async def _mark_options(self) -> MarkOptions:
        asked = self._options
        return MarkOptions(asked.grace, await self._now() - COARSENESS, asked.untagged)

    async def _mark_again(self, run: Run, plan: Plan) -> None:
        report = MarkReport()
        self._watcher.marking(report, again=True)
        condemned = runs.condemned(self._driver, run, plan)
        spared = self._marker.spared(self._driver, plan.options, condemned, report)
        keys: list[str] = []
        async with aclosing(condemned), aclosing(spared):
            async for one in spared:
                keys.append(one.key)
                self._watcher.spared(one)
        await self._write_spared(run, keys)

    async def _write_spared(self, run: Run, keys: Sequence[str]) -> None:
        """The first of several collectors decides; each of their second marks would be right."""
        hashed = HashedKeys.of(run.id, ((key, 0) for key in keys))
        content = b"".join([piece async for piece in hashed.dump()])
        await runs.create(self._driver, run.spared, content)

    async def _sweep(self, run: Run, plan: Plan, sweeper: Sweeper, done: Collected) -> None:
        """Delete kind by kind; blobs only whose links are gone, links only whose manifests are."""
        self._watcher.sweeping(plan)
        unsettled: list[int] = []
        keep: set[str] = set()
        for kind in KINDS:
            kept: set[str] = set()
            failed = done.failed
            for number in range(0, plan.batches[kind], _WIDTH):
                some = plan.numbers(kind)[number : number + _WIDTH]
                for at, swept in zip(some, await self._swept(sweeper, some, keep), strict=True):
                    if swept.is_over:
                        return
                    done.count(kind, swept)
                    self._watcher.swept(swept)
                    kept.update(str(one.digest) for one in [*swept.kept, *swept.failed])
                    unsettled += [] if swept.is_settled else [at]
            if kind == "revision" and done.failed > failed:
                break
            keep = kept if kind == "layer" else set()
        await self._end(run, sweeper, unsettled, done)

    async def _swept(self, sweeper: Sweeper, numbers: range, keep: Collection[str]) -> list[Swept]:
        await self._switch.check()

        async def sweep(number: int) -> Swept:
            return await sweeper.sweep(number, keep)

        return await each(sweep, numbers, _WIDTH)

    async def _end(
        self, run: Run, sweeper: Sweeper, unsettled: Collection[int], done: Collected
    ) -> None:
        """Remove the run, unless another collector may still be deleting something of it."""
        doubtful = {*unsettled, *await runs.helped(self._driver, run.helps)}
        now = await self._now() if doubtful else 0.0
        settled = [await sweeper.is_settled(number, now) for number in sorted(doubtful)]
        done.is_ended = all(settled)
        if done.is_ended:
            await self._driver.write(run.ended, once(self._owner.encode()))
            await self._driver.delete([run.marker])
            await runs.remove(self._driver, run)

    async def _now(self) -> float:
        return await runs.now(self._driver, self._owner)
