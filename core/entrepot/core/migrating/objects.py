"""Single objects on their way: blobs, and links only once their blob is there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from enum import Enum, auto

from entrepot.core import layout
from entrepot.core.driver import Driver, Entry
from entrepot.core.errors import NotFoundError, StorageError
from entrepot.core.links import read_link
from entrepot.core.migrating.choice import Choice
from entrepot.core.migrating.copying import Copier, DamagedError
from entrepot.core.migrating.following import fingerprint, follow
from entrepot.core.migrating.pairing import Pair
from entrepot.core.migrating.totals import Record
from entrepot.core.names import Digest

_MOST_KNOWN = 100_000  # blobs whose outcome is remembered, so that shared ones are asked for once

Copy = Callable[[str], Awaitable[str | None]]


class Outcome(Enum):
    """What became of something that others need."""

    THERE = auto()
    MISSING = auto()  # the source does not have it
    FAILED = auto()  # it was told as failed


class _Lock(asyncio.Lock):
    users = 0  # who has it or waits for it


class Objects:
    """Copies objects from `source` to `target`, and keeps the record of it."""

    def __init__(
        self, source: Driver, target: Driver, copier: Copier, choice: Choice, record: Record
    ) -> None:
        self.source = source
        self.target = target
        self.choice = choice
        self.record = record
        self._copier = copier
        self._room = asyncio.Semaphore(choice.width)
        self._known: dict[str, Outcome] = {}
        self._locks: dict[str, _Lock] = {}

    async def follow(self, key: str, size: int, copy: Copy | None = None) -> Outcome:
        """Make the target's object what the source's is; `size` is what the source listed."""
        if self.choice.dry_run:
            self.record.copied(size)
            return Outcome.THERE
        try:
            found = await follow(self.source, self.target, key, copy or self._copy)
        except (DamagedError, StorageError) as error:
            self.record.failed(key, error)
            return Outcome.FAILED
        if found:
            self.record.copied(size)
        return Outcome.THERE if found else Outcome.MISSING

    async def remove(self, key: str) -> None:
        """Remove from the target what the source no longer has."""
        if self.choice.dry_run:
            self.record.deleted()
            return
        try:
            if not await follow(self.source, self.target, key, self._copy):
                self.record.deleted()
        except (DamagedError, StorageError) as error:
            self.record.failed(key, error)

    async def _copy(self, key: str) -> str | None:
        async with self._room:
            return await self._copier.copy(key)

    # -- blobs --------------------------------------------------------------------------

    async def blob_of(self, pair: Pair) -> None:
        """A blob as both stores list it."""
        digest = layout.digest_of_blob(pair.key)
        if digest is None or pair.source is None:
            return  # a stranger's, or the target's alone
        self._remember(digest, await self._brought(digest, pair.source, pair.target))

    async def blob(self, digest: Digest) -> Outcome:
        """See to it that the target has a blob; several who need it wait for one copy."""
        async with self.alone(str(digest)):
            known = self._known.get(str(digest))
            if known is not None:
                return known
            try:
                outcome = await self._looked_for(digest)
            except StorageError as error:
                self.record.failed(layout.blob(digest), error)
                outcome = Outcome.FAILED
            if outcome is not Outcome.MISSING:
                self._remember(digest, outcome)
            return outcome

    async def _looked_for(self, digest: Digest) -> Outcome:
        key = layout.blob(digest)
        async with self._room:
            ours = await entry(self.source, key)
            theirs = await entry(self.target, key)
        if ours is None:
            return Outcome.MISSING
        if self.choice.dry_run and self.choice.repositories is None:
            return Outcome.THERE  # counted among all blobs
        return await self._brought(digest, ours, theirs)

    async def _brought(self, digest: Digest, ours: Entry, theirs: Entry | None) -> Outcome:
        if theirs is not None and ours.size == theirs.size and await self._is_sound(digest):
            self.record.skipped()
            return Outcome.THERE
        return await self.follow(ours.key, ours.size)

    async def _is_sound(self, digest: Digest) -> bool:
        """Whether what the target has may stay; not looked at unless that is wanted."""
        if not self.choice.verify:
            return True
        try:
            async with self._room:
                return await self._copier.is_sound(digest)
        except StorageError:
            return False  # copying it will tell

    def _remember(self, digest: Digest, outcome: Outcome) -> None:
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known[str(digest)] = outcome

    @asynccontextmanager
    async def alone(self, name: str) -> AsyncGenerator[None, None]:
        """One task at a time for each name."""
        lock = self._locks.setdefault(name, _Lock())
        lock.users += 1
        try:
            async with lock:
                yield
        finally:
            lock.users -= 1
            if not lock.users:
                del self._locks[name]

    # -- links --------------------------------------------------------------------------

    async def link_of(self, pair: Pair) -> None:
        """A link to a blob as both stores list it: after the blob, as it is."""
        if pair.source is None or not pair.key.endswith("/link"):
            return
        if pair.is_alike and not self.choice.verify:
            self.record.skipped()
            return
        await self.link(pair.key, pair.source.size, is_there=pair.is_alike)

    async def link(self, key: str, size: int, *, is_there: bool = False) -> Outcome:
        """A link that the target does not have, or (`is_there`) whose blob is to be verified."""
        try:
            stored = await read_link(self.source, key)
        except StorageError as error:
            self.record.failed(key, error)
            return Outcome.FAILED
        outcome = Outcome.MISSING if stored is None else await self.blob(stored)
        if outcome is Outcome.MISSING:
            self.record.left_out(key)
        if outcome is not Outcome.THERE:
            return outcome
        return await self.plain(key, size, is_there=is_there)

    async def plain_of(self, pair: Pair) -> None:
        """An object that needs no other, as both stores list it."""
        if pair.source is None or pair.key.endswith(".tmp"):
            return
        if pair.is_alike and not self.choice.verify:
            self.record.skipped()
            return
        await self.plain(pair.key, pair.source.size, is_there=pair.is_alike)

    async def plain(self, key: str, size: int, *, is_there: bool = False) -> Outcome:
        """One that the target does not have, or (`is_there`) may have with another content."""
        if is_there and await self.is_equal(key):
            self.record.skipped()
            return Outcome.THERE
        return await self.follow(key, size)

    async def is_equal(self, key: str) -> bool:
        """Whether both stores have it with the same content, as far as they answer."""
        try:
            async with self._room:
                ours = await fingerprint(self.source, key)
                return ours is not None and ours == await fingerprint(self.target, key)
        except StorageError:
            return False  # copying it will tell


async def entry(driver: Driver, key: str) -> Entry | None:
    """What a store knows of an object; None: there is none."""
    try:
        return await driver.stat(key)
    except NotFoundError:
        return None
