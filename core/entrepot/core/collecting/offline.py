"""Garbage collection while no registry writes: marked once, and deleted at once.

No path can come to lead to anything meanwhile, so nothing is published, claimed or marked
again, and nothing is written. What leads to something is deleted before it, so that killed at
any instant it leaves nothing that points to nothing; the next collection finds the rest.
Several at once delete the same.
"""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncGenerator
from contextlib import ExitStack, aclosing
from dataclasses import replace
from typing import Self

from entrepot.core.collecting.collection import Collected, Marker, Watcher
from entrepot.core.collecting.marking import Garbage, MarkOptions, MarkReport
from entrepot.core.collecting.marking_turns import in_order
from entrepot.core.collecting.runs import KINDS, Kind, Plan
from entrepot.core.collecting.spill import Records, Spill, packed_digest, unpacked
from entrepot.core.collecting.sweeping import Swept
from entrepot.core.driver import Driver
from entrepot.core.errors import DeleteError, StorageError
from entrepot.core.read_only import Switch

_LOG = logging.getLogger("entrepot.collecting")
_BATCH = 500  # keys of one deletion
_WIDTH = 4  # deletions under way


class OfflineCollector:
    """Collects the garbage of a store that no registry writes to."""

    def __init__(self, driver: Driver, marker: Marker, watcher: Watcher, switch: Switch) -> None:
        self._driver = driver
        self._marker = marker
        self._watcher = watcher
        self._switch = switch

    async def collect(self, options: MarkOptions, done: Collected) -> None:
        """Mark, and only then delete; `done` is told what.

        Raises ReadOnlyStoreError; StorageError: of the mark. What cannot be deleted counts as
        failed, and what it leads to stays.
        """
        with _Garbage(options) as garbage:
            await self._mark(options, garbage)
            done.plan = garbage.plan
            if done.plan.total:
                self._watcher.sweeping(done.plan)
                await self._sweep(garbage, done)

    async def _mark(self, options: MarkOptions, garbage: _Garbage) -> None:
        report = MarkReport()
        self._watcher.marking(report, again=False)
        async with aclosing(self._marker.unreachable(self._driver, options, report)) as found:
            async for one in found:
                garbage.add(one)
                self._watcher.condemned(one)

    async def _sweep(self, garbage: _Garbage, done: Collected) -> None:
        with Spill() as needed:  # by links that could not be deleted

            async def sweep(batch: list[Garbage]) -> Swept:
                kept = [one for one in batch if _is_needed(one, needed)]
                if kept:
                    batch = [one for one in batch if one not in kept]
                return await self._delete(batch, kept)

            for kind in KINDS:
                batches = in_order(sweep, garbage.batches(kind), _WIDTH)
                async with aclosing(batches):
                    async for swept in batches:
                        needed.add(packed_digest(one.digest) for one in swept.failed)
                        done.count(kind, swept)
                        self._watcher.swept(swept)
                if kind == "revision" and done.failed:
                    return  # what they lead to is not known here

    async def _delete(self, batch: list[Garbage], kept: list[Garbage]) -> Swept:
        await self._switch.check()
        keys = [one.key for one in batch]
        failures: dict[str, StorageError] = {}
        try:
            await self._driver.delete(keys)
        except DeleteError as error:
            _LOG.warning("not all garbage was deleted: %s", error)
            failures = error.failures
        except StorageError as error:
            _LOG.warning("garbage was not deleted: %s", error)
            failures = dict.fromkeys(keys, error)
        pairs = list(zip(keys, batch, strict=True))
        return Swept(
            [one for key, one in pairs if key not in failures],
            kept,
            [one for key, one in pairs if key in failures],
        )


class _Garbage:
    """What a mark found, in a temporary file of this machine if it is much."""

    def __init__(self, options: MarkOptions) -> None:
        self._plan = Plan(options)
        self._bytes = 0
        self._batch: dict[Kind, list[Garbage]] = {kind: [] for kind in KINDS}
        self._stack = ExitStack()
        self._found: dict[Kind, Records] = {
            kind: self._stack.enter_context(Records()) for kind in KINDS
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def plan(self) -> Plan:
        return replace(self._plan, bytes=self._bytes)

    def add(self, one: Garbage) -> None:
        batch = self._batch[one.kind]
        batch.append(one)
        if len(batch) == _BATCH:
            self._keep(one.kind)
        self._plan.keys[one.kind] += 1
        self._bytes += one.size

    def _keep(self, kind: Kind) -> None:
        batch, self._batch[kind] = self._batch[kind], []
        head = json.dumps([(one.repository, one.size, one.reason) for one in batch]).encode()
        self._found[kind].add(head, [packed_digest(one.digest) for one in batch])

    async def batches(self, kind: Kind) -> AsyncGenerator[list[Garbage], None]:
        """All of a kind, some at a time."""
        for head, digests in self._found[kind]:
            yield [
                Garbage(kind, repository, unpacked(digest), size, reason)
                for (repository, size, reason), digest in zip(
                    json.loads(head), digests, strict=True
                )
            ]
        if self._batch[kind]:
            yield self._batch[kind]


def _is_needed(one: Garbage, needed: Spill) -> bool:
    return one.kind == "blob" and packed_digest(one.digest) in needed
