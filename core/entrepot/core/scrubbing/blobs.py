"""All bytes of a store, or the next part of them, read and hashed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass

from entrepot.core import layout
from entrepot.core.driver import Entry
from entrepot.core.names import Digest
from entrepot.core.scrubbing.contents import Contents
from entrepot.core.scrubbing.doubts import Doubts
from entrepot.core.scrubbing.findings import Finding, Problem
from entrepot.core.scrubbing.mending import Mending
from entrepot.core.scrubbing.walking import Front, Shared, entries, place_at, place_of, share

_HOUR = 3600.0  # seconds in which somebody may still write a temporary file


@dataclass(frozen=True, slots=True)
class Part:
    """How much is hashed in one go: `sample` is a share of all digests, `budget` in bytes."""

    sample: float | None = None
    budget: int | None = None


class Hashing:
    """The blobs past a place; what is wrong is told as it is found.

    `passed` hears of bytes, `kept` is called after each blob, when the front has moved.
    """

    def __init__(
        self,
        contents: Contents,
        mending: Mending,
        doubts: Doubts,
        front: Front,
        part: Part,
        passed: Callable[[int], None],
        kept: Callable[[], Awaitable[None]],
    ) -> None:
        self.blobs = 0
        self.bytes = 0
        self._contents = contents
        self._mending = mending
        self._doubts = doubts
        self._front = front
        self._budget = part.budget
        self._passed = passed
        self._kept = kept
        self._end = 1.0 if part.sample is None else share(front.reached) + part.sample
        self._is_out = False

    async def run(self, width: int) -> bool:
        """Hash `width` at a time; whether all blobs past the place have had their turn.

        Raises StorageError: what is behind the front is done.
        """
        async with aclosing(entries(self._contents.driver, self._front.reached)) as walk:
            shared = Shared(walk)
            try:
                async with asyncio.TaskGroup() as group:
                    for _ in range(width):
                        group.create_task(self._work(shared))
            except BaseExceptionGroup as errors:
                raise errors.exceptions[0] from None
        return not self._is_out

    async def _work(self, shared: Shared) -> None:
        while not self._is_out:
            entry = await shared.take()
            if entry is None:
                return
            place = place_of(entry.key)
            if self._end < 1.0 and share(place) >= self._end:
                self._is_out = True
                self._front.begin(place_at(self._end))
                self._front.end(place_at(self._end))
                return
            self._front.begin(place)
            if self._budget is not None:
                self._budget -= entry.size
                self._is_out = self._is_out or self._budget <= 0
            await self._look(entry)
            self._front.end(place)
            await self._kept()

    async def _look(self, entry: Entry) -> None:
        digest = layout.digest_of_blob(entry.key)
        if digest is not None:
            self.blobs += 1
            self.bytes += entry.size
            if digest not in self._contents.damaged:  # those were looked at first
                await hash_blob(self._contents, self._mending, self._doubts, digest, self._passed)
            return
        temporary = entry.key.endswith(".tmp")
        if temporary and time.time() - entry.modified < _HOUR:
            return
        what = "what a write left" if temporary else "no registry's object"
        await self._doubts.end(
            Problem(Finding("temporary" if temporary else "stray", entry.key, what))
        )


async def hash_blob(
    contents: Contents,
    mending: Mending,
    doubts: Doubts,
    digest: Digest,
    passed: Callable[[int], None],
) -> bool:
    """Hash a blob, twice if need be, and tell if it is wrong; whether it is whole or gone."""
    key = layout.blob(digest)

    async def check() -> list[Problem]:
        found, size = await contents.hash(key, digest.algorithm, passed)
        if found == digest:
            return []
        what = f"it has {size} bytes with the digest {found}"
        finding = Finding("blob-damaged", key, what, digest=str(digest))
        return [Problem(finding, mending.blob(None, digest))]

    problems = await doubts.look_twice(check)
    for problem in problems:
        await doubts.end(problem)
    return not problems
