"""A whole store, or some repositories of it, in the order in which pushes write.

Nothing is kept between two runs but what the target has, so a run that was killed is gone on
with by the next one, and that costs listings of both stores and reading the tags.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

from entrepot.core import inventory, layout
from entrepot.core.driver import Driver
from entrepot.core.errors import RegistryError, StorageError
from entrepot.core.listing import children
from entrepot.core.migrating.choice import Choice
from entrepot.core.migrating.copying import Copier
from entrepot.core.migrating.images import Images
from entrepot.core.migrating.objects import Objects
from entrepot.core.migrating.pacing import Pace
from entrepot.core.migrating.pairing import Pair, pairs, spread
from entrepot.core.migrating.tagging import CURRENT, Tags
from entrepot.core.migrating.totals import Record, Totals, Watcher
from entrepot.core.names import RepositoryName
from entrepot.core.threads import Threads

_AT_ONCE = 4  # repositories; most are small, and wait for the store rather than for bytes
_KNOWN = ("_layers", "_manifests", "_uploads")


class EmptySourceError(RegistryError):
    """Deleting in the target all that an empty source does not have is nobody's wish."""

    def __init__(self) -> None:
        super().__init__("the source has no such repositories, so nothing is deleted in the target")


async def migrate(
    source: Driver, target: Driver, choice: Choice, watcher: Watcher, pace: Pace | None = None
) -> Totals:
    """Copy what `choice` says; both stores may be read and written meanwhile.

    A single object that cannot be copied is told and counted, and the rest goes on.

    Raises StorageError: if a store cannot be listed; GivenUpError: if nothing can be copied any
    more; EmptySourceError.
    """
    migration = Migration(source, target, choice, watcher, pace)
    try:
        return await migration.run()
    finally:
        migration.close()


class Migration:
    """One run; `totals` may be looked at any time. `close` it."""

    def __init__(
        self,
        source: Driver,
        target: Driver,
        choice: Choice,
        watcher: Watcher,
        pace: Pace | None = None,
    ) -> None:
        self._source = source
        self._target = target
        self._choice = choice
        self._threads = Threads(os.cpu_count() or 1, "migrate")
        self._record = Record(watcher)
        copier = Copier(source, target, self._threads, pace, watcher.passed)
        self._objects = Objects(source, target, copier, choice, self._record)

    @property
    def totals(self) -> Totals:
        return self._record.totals

    def close(self) -> None:
        """End the threads."""
        self._threads.close()

    async def run(self) -> Totals:
        """See `migrate`."""
        if self._choice.delete and not await self._has_any():
            raise EmptySourceError
        if self._choice.repositories is None:
            await self._spread(self._objects.blob_of, layout.BLOBS)
        await spread(self._copied, self._names(self._source), _AT_ONCE)
        if self._choice.delete:
            await spread(self._removed, self._names(self._target), _AT_ONCE)
        return self.totals

    async def _has_any(self) -> bool:
        async with aclosing(self._names(self._source)) as names:
            return await anext(names, None) is not None

    async def _names(self, driver: Driver) -> AsyncGenerator[RepositoryName, None]:
        async with aclosing(inventory.repositories(driver)) as names:
            async for name in names:
                if self._choice.takes(name):
                    yield name

    async def _spread(self, function: Callable[[Pair], Awaitable[object]], prefix: str) -> None:
        found = pairs(self._source, self._target, prefix)
        await spread(function, found, self._choice.width)

    async def _copied(self, name: RepositoryName) -> None:
        """A repository that cannot be listed gets no tags, and the others go on."""
        images = Images(self._objects, name)
        tags = Tags(self._objects, images)
        try:
            await self._spread(self._objects.link_of, layout.layers(name))
            await self._spread(images.of, layout.revisions(name))
            for folder in await self._ours(self._source, name):
                await self._spread(self._objects.plain_of, folder)
            await self._spread(tags.history_of, layout.tags(name))
            await self._spread(tags.current_of, layout.tags(name))
        except StorageError as error:
            self._record.failed(layout.repository(name), error)

    async def _removed(self, name: RepositoryName) -> None:
        """The other way round: tags first, so that none points to nothing."""
        try:
            await self._spread(self._remove_current, layout.tags(name))
            await self._spread(self._remove_link, layout.tags(name))
            for folder in await self._ours(self._target, name):
                await self._spread(self._remove, folder)
            await self._spread(self._remove_link, layout.revisions(name))
            await self._spread(self._remove_link, layout.layers(name))
        except StorageError as error:
            self._record.failed(layout.repository(name), error)

    async def _remove_current(self, pair: Pair) -> None:
        if pair.key.endswith(CURRENT):
            await self._remove(pair)

    async def _remove_link(self, pair: Pair) -> None:
        if pair.key.endswith("/link") and not pair.key.endswith(CURRENT):
            await self._remove(pair)

    async def _remove(self, pair: Pair) -> None:
        if pair.source is None:
            await self._objects.remove(pair.key)

    async def _ours(self, driver: Driver, name: RepositoryName) -> list[str]:
        """The repository's folders that only this registry knows; no uploads in progress."""
        above = layout.repository(name)
        async with aclosing(children(driver, above)) as names:
            found = [one async for one in names if one.startswith("_")]
        return [f"{above}{one}/" for one in found if one not in _KNOWN]
