"""All bytes of a store, or the next part of them, read and hashed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial

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

    async def again(self, digest: Digest) -> None:
        """Look at a blob that was damaged in an earlier run."""
        self._contents.note(digest, whole=False)
        if not await self._settled(layout.blob(digest), digest):
            self._contents.note(digest, whole=True)

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
            await self._settled(entry.key, digest)
            return
        temporary = entry.key.endswith(".tmp")
        if temporary and time.time() - entry.modified < _HOUR:
            return
        what = "what a write left" if temporary else "no registry's object"
        await self._doubts.end(
            Problem(Finding("temporary" if temporary else "stray", entry.key, what))
        )

    async def _settled(self, key: str, digest: Digest) -> bool:
        """Hash a blob, and tell if it is wrong; whether it was."""
        problems = await self._doubts.look_twice(partial(self._hash, key, digest))
        for problem in problems:
            await self._doubts.end(problem)
        return bool(problems)

    async def _hash(self, key: str, digest: Digest) -> list[Problem]:
        found, size = await self._contents.hash(key, digest.algorithm, self._passed)
        if found == digest:
            return []
        what = f"it has {size} bytes with the digest {found}"
        mend = self._mending.blob(None, digest)
        return [Problem(Finding("blob-damaged", key, what, digest=str(digest)), mend)]
