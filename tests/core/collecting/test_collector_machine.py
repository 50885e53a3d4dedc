"""Pushes, deletions, slow stores and dying processes beside collectors, in any order.

Whatever was acknowledged and not deleted must be pullable with all it leads to, at any moment;
in the end nothing else is left.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from contextlib import AsyncExitStack, suppress
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from tests.core.collecting.clocked import HOUR, Clock, ClockedDriver, collector, replica
from tests.core.collecting.images import (
    BY_DIGEST,
    MANIFESTS,
    NAMES,
    below,
    children_of,
    keys_of,
    subject_of,
)
from tests.core.collecting.stepped import Process, Stepped
from tests.core.stores import chunks, keys

from entrepot.core import layout
from entrepot.core.collecting.timing import DEAD
from entrepot.core.errors import ManifestUnknownError, ProtocolError, StorageError
from entrepot.core.names import Digest, RepositoryName, Tag
from entrepot.core.purging import purge
from entrepot.core.testing.faults import Operation, When

TAGS = [Tag(name) for name in ("t", "u", "v")]
OPERATIONS: list[Operation] = ["stat", "read", "write", "delete", "scan", "commit"]
WHEN: list[When] = ["before", "after"]
DELAYS = [1.0, 4.0, 40.0, 70.0, HOUR, 3 * HOUR]


class CollectorMachine(RuleBasedStateMachine):
    untagged = False

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.run(self._open())

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    async def _open(self) -> None:
        self.clock = Clock()
        self.store = ClockedDriver(self.clock)
        self.stack = AsyncExitStack()
        self.raw = await self.stack.enter_async_context(replica(self.store, self.clock))
        self.replicas = [await self._replica() for _ in range(2)]
        self.collectors: list[Process] = []
        self.held: set[tuple[RepositoryName, str]] = set()
        self.tagged: dict[tuple[RepositoryName, Tag], str] = {}
        self.moving: set[tuple[RepositoryName, Tag]] = set()

    async def _replica(self) -> Process:
        process = Process(Stepped(self.store))
        opening = replica(process.driver, self.clock)
        process.registry = await self.stack.enter_async_context(opening)
        return process

    @initialize(
        images=st.lists(st.sampled_from(MANIFESTS), min_size=1, unique=True),
        mark=st.sampled_from(["", "/current/", "/spared", "/claims/"]),
    )
    def garbage_is_there(self, images: list[bytes], mark: str) -> None:
        """What nothing leads to any more, old enough to go; and a collector got so far."""

        async def leave() -> None:
            for name in NAMES:
                repository = self.raw.repository(name)
                for content in images:
                    for one in below(content):
                        if str(Digest.of(one)) in BY_DIGEST:
                            await repository.manifests.put(Digest.of(one), one, None)
                        else:
                            await repository.blobs.put(Digest.of(one), chunks(one))
                    await repository.manifests.put(Digest.of(content), content, None)
                for content in () if self.untagged else MANIFESTS:
                    with suppress(ManifestUnknownError):
                        await repository.manifests.delete(Digest.of(content))

        self.run(leave())
        self.clock.now += 3 * HOUR
        if mark:
            self.collect()
            self.collector_reaches(0, mark)

    # -- what clients do --------------------------------------------------------------------

    @rule(
        at=st.integers(0, 1),
        name=st.sampled_from(NAMES),
        content=st.sampled_from(MANIFESTS),
        tag=st.sampled_from([None, *TAGS]),
        how=st.sampled_from(["manifest alone", "what is missing", "mounts", "uploads"]),
        steps=st.sampled_from([1, 10, 1000]),
    )
    def push(
        self,
        at: int,
        name: RepositoryName,
        content: bytes,
        tag: Tag | None,
        how: str,
        steps: int,
    ) -> None:
        process = self.replicas[at]
        if process.is_busy or (tag is not None and (name, tag) in self.moving):
            return
        if tag is not None:
            self.moving.add((name, tag))
            self.tagged.pop((name, tag), None)
            self._forget()

        async def begin() -> None:
            process.begin(self._push(process, name, content, tag, how))
            await process.go(steps)

        self.run(begin())

    async def _push(
        self, process: Process, name: RepositoryName, content: bytes, tag: Tag | None, how: str
    ) -> None:
        assert process.registry is not None
        repository = process.registry.repository(name)
        try:
            for one in below(content) if how != "manifest alone" else ():
                digest = Digest.of(one)
                if str(digest) in BY_DIGEST:
                    if not await repository.manifests.has(digest):
                        await repository.manifests.put(digest, one, None)
                        self._hold(name, one)
                elif not await repository.blobs.has(digest):
                    other = NAMES[1] if name == NAMES[0] else NAMES[0]
                    mounted = how == "mounts" and await repository.blobs.mount(digest, other)
                    if how == "uploads":
                        session = await repository.uploads.start()
                        await session.append(chunks(one))
                        await session.commit(digest)
                    elif not mounted:
                        await repository.blobs.put(digest, chunks(one))
            await repository.manifests.put(tag or Digest.of(content), content, None)
        except (ProtocolError, StorageError):
            return
        finally:
            if tag is not None:
                self.moving.discard((name, tag))
        if tag is not None:
            self.tagged[name, tag] = str(Digest.of(content))
        self._hold(name, content)

    @rule(name=st.sampled_from(NAMES), content=st.sampled_from(MANIFESTS))
    def delete_manifest(self, name: RepositoryName, content: bytes) -> None:
        if any(process.is_busy for process in self.replicas):
            return
        digest = Digest.of(content)

        async def delete() -> None:
            with suppress(ManifestUnknownError):
                await self.raw.repository(name).manifests.delete(digest)

        self.run(delete())
        self.held.discard((name, str(digest)))
        self.tagged = {
            at: to for at, to in self.tagged.items() if (at[0], to) != (name, str(digest))
        }
        self._forget()

    @rule(name=st.sampled_from(NAMES), tag=st.sampled_from(TAGS))
    def delete_tag(self, name: RepositoryName, tag: Tag) -> None:
        if (name, tag) in self.tagged and (name, tag) not in self.moving:
            self.run(self.raw.repository(name).tags.delete(tag))
            del self.tagged[name, tag]
            self._forget()

    @rule()
    def purge(self) -> None:
        """Whatever upload there is counts as given up, also one that somebody goes on with."""
        self.run(purge(self.raw, 0, time.time() + HOUR))

    # -- what collectors do, and time -------------------------------------------------------

    @precondition(lambda self: len(self.collectors) < 2)
    @rule()
    def collect(self) -> None:
        async def begin() -> None:
            process = Process(Stepped(self.store))
            one = collector(process.driver, self.clock, untagged=self.untagged)
            process.begin(one.collect())
            self.collectors.append(process)
            await process.go(1)

        self.run(begin())

    @precondition(lambda self: self.collectors)
    @rule(at=st.integers(0, 1), steps=st.integers(1, 60))
    def collector_goes_on(self, at: int, steps: int) -> None:
        process = self.collectors[at % len(self.collectors)]
        self.run(process.go(steps))
        if not process.is_busy:
            self.collectors.remove(process)
            process.check()

    @precondition(lambda self: self.collectors)
    @rule(
        at=st.integers(0, 1), mark=st.sampled_from(["/current/", "/spared", "/claims/", "/done/"])
    )
    def collector_reaches(self, at: int, mark: str) -> None:
        """It goes on until it has written another such object, or is done."""
        process = self.collectors[at % len(self.collectors)]
        before = self._count(mark)

        async def reach() -> None:
            while process.is_busy and self._count(mark) <= before:
                await process.go(1)

        self.run(reach())
        self.collector_goes_on(at, 1)

    def _count(self, mark: str) -> int:
        return sum(key.startswith("entrepot/") and mark in key for key in self.store.store)

    @precondition(lambda self: self.collectors)
    @rule(at=st.integers(0, 1), operation=st.sampled_from(OPERATIONS), when=st.sampled_from(WHEN))
    def store_fails_a_collector(self, at: int, operation: Operation, when: When) -> None:
        self.collectors[at % len(self.collectors)].driver.fail(operation, when)

    @rule(at=st.integers(0, 1), operation=st.sampled_from(OPERATIONS), when=st.sampled_from(WHEN))
    def store_fails_a_replica(self, at: int, operation: Operation, when: When) -> None:
        self.replicas[at].driver.fail(operation, when)

    @precondition(lambda self: self.collectors)
    @rule(at=st.integers(0, 1))
    def collector_dies(self, at: int) -> None:
        process = self.collectors.pop(at % len(self.collectors))
        self.run(process.die())

    @rule(at=st.integers(0, 1), steps=st.integers(1, 40))
    def replica_goes_on(self, at: int, steps: int) -> None:
        self.run(self.replicas[at].go(steps))

    @rule(at=st.integers(0, 1))
    def replica_dies(self, at: int) -> None:
        async def die() -> None:
            await self.replicas[at].die()
            self.replicas[at] = await self._replica()

        self.run(die())

    @rule(seconds=st.sampled_from(DELAYS))
    def time_passes(self, seconds: float) -> None:
        self.clock.now += seconds

    # -- what must hold ---------------------------------------------------------------------

    @invariant()
    def all_that_was_acknowledged_is_there(self) -> None:
        for name, digest in self._needed():
            missing = [key for key in keys_of(name, digest) if key not in self.store.store]
            assert not missing, f"{name}@{digest} lacks {missing}"

    def teardown(self) -> None:
        self.run(self._end())
        self.runner.close()

    async def _end(self) -> None:
        try:
            for process in (*self.replicas, *self.collectors):
                await process.end()
            self.all_that_was_acknowledged_is_there()
            for seconds in (0, DEAD + 1, 3 * HOUR, 3 * HOUR, 3 * HOUR, 8 * 24 * HOUR):
                self.clock.now += seconds
                await collector(self.store, self.clock, untagged=self.untagged).collect()
            self.all_that_was_acknowledged_is_there()
            await self._assert_nothing_else()
        finally:
            await self.stack.aclose()

    async def _assert_nothing_else(self) -> None:
        needed = {key for name, digest in self._needed() for key in keys_of(name, digest)}
        found = await keys(self.store)
        rest = [key for key in found if key not in needed and "/tags/" not in key]
        if not self.untagged and not self._is_damaged(found):
            left = self._unneeded(found).intersection(rest)
            assert not {
                key for key in left if "/_uploads/" not in key and "/_referrers/" not in key
            }

    def _is_damaged(self, found: list[str]) -> bool:
        """Whether a push that was refused for being slow left a link to no manifest.

        Then its repository is left alone.
        """
        return any(
            layout.revision_link(name, Digest.parse(digest)) in found
            and layout.blob(Digest.parse(digest)) not in found
            for name in NAMES
            for digest in BY_DIGEST
        )

    def _unneeded(self, found: list[str]) -> set[str]:
        """What no manifest that has a link leads to, acknowledged or not.

        An index leads to its children, also to those whose own link was deleted.
        """
        linked = {
            key
            for name in NAMES
            for digest, content in BY_DIGEST.items()
            if layout.revision_link(name, Digest.parse(digest)) in found
            for one in (content, *children_of(content))
            for key in keys_of(name, str(Digest.of(one)))
        }
        return {key for key in found if key.startswith(layout.ROOT)} - linked

    def _hold(self, name: RepositoryName, content: bytes) -> None:
        """Acknowledged, and with it the children, which were there or it had been refused."""
        self.held.add((name, str(Digest.of(content))))
        for child in children_of(content):
            self.held.add((name, str(Digest.of(child))))

    def _forget(self) -> None:
        """What may go now is not missed, also if it is needed again before it went."""
        if self.untagged:
            self.held &= self._needed()

    def _needed(self) -> set[tuple[RepositoryName, str]]:
        if not self.untagged:
            return self.held
        needed: set[tuple[RepositoryName, str]] = set()
        waiting = [(name, digest) for (name, _), digest in self.tagged.items()]
        while waiting:
            name, digest = waiting.pop()
            if (name, digest) in needed or (name, digest) not in self.held:
                continue
            needed.add((name, digest))
            content = BY_DIGEST[digest]
            related = [*children_of(content), *subject_of(content)]
            related += [one for one in MANIFESTS if content in subject_of(one)]
            waiting += [(name, str(Digest.of(one))) for one in related]
        return needed


class UntaggedMachine(CollectorMachine):
    untagged = True


RARELY = settings(max_examples=20, stateful_step_count=40, deadline=None, derandomize=True)
TestCollector = CollectorMachine.TestCase
TestCollector.settings = RARELY
TestUntaggedCollector = UntaggedMachine.TestCase
TestUntaggedCollector.settings = RARELY
