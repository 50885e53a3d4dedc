"""What can be derived from the rest of a store, written anew: today the index of referrers.

Works while registries serve. It is incremental, so a run that broke off is continued by the
next one, which passes over what is right already. Source: distribution-spec 1.1, "Enabling the
Referrers API".
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Literal

from entrepot.core import inventory, layout, manifest, referrers
from entrepot.core.concurrency import WIDTH, each
from entrepot.core.driver import Driver, Entry
from entrepot.core.errors import ManifestInvalidError, NotFoundError
from entrepot.core.links import read_link
from entrepot.core.manifest import Manifest
from entrepot.core.names import Digest, RepositoryName
from entrepot.core.scrubbing.places import Place, place_of
from entrepot.core.streams import beginning, once

_BATCH = 4 * WIDTH


@dataclass(frozen=True, slots=True)
class Change:
    """An entry of the index that was written or removed, and of which manifest."""

    action: Literal["added", "renewed", "removed"]
    repository: RepositoryName
    subject: Digest
    manifest: Digest


@dataclass(slots=True)
class Reindexed:
    """How far a run is. `unread` are manifests whose bytes are missing or damaged."""

    repositories: int = 0
    manifests: int = 0
    added: int = 0
    renewed: int = 0
    removed: int = 0
    unread: int = 0

    def count(self, change: Change) -> None:
        setattr(self, change.action, getattr(self, change.action) + 1)


async def reindex(
    driver: Driver,
    done: Reindexed,
    *,
    chosen: Callable[[str], bool] = lambda _: True,
    told: Callable[[Change], None] = lambda _: None,
    passed: Callable[[int], None] = lambda _: None,
) -> None:
    """Make the index of referrers that of the manifests, in repositories that are `chosen`.

    `done` grows while it runs, `told` hears of each change, `passed` of how many manifests
    were looked at. Costs reading every manifest.

    Raises StorageError: what was changed before is right.
    """
    walk = inventory.repositories(driver, "_manifests", "_referrers")
    async with aclosing(walk) as names:
        async for name in names:
            if not chosen(name.text):
                continue
            async with aclosing(_changes(driver, name, done, passed)) as changes:
                async for change in changes:
                    done.count(change)
                    told(change)
            done.repositories += 1


async def _changes(
    driver: Driver, name: RepositoryName, done: Reindexed, passed: Callable[[int], None]
) -> AsyncGenerator[Change, None]:
    index = ReferrersIndex(driver, name, done)
    links: list[Digest] = []
    async with aclosing(inventory.revisions(driver, name)) as revisions:
        async for link in revisions:
            links.append(link.digest)
            if len(links) == _BATCH:
                for change in await each(index.renew, links):
                    if change is not None:
                        yield change
                passed(len(links))
                links = []
    for change in await each(index.renew, links):
        if change is not None:
            yield change
    passed(len(links))
    async with aclosing(index.orphans()) as removed:
        async for change in removed:
            yield change


class ReferrersIndex:
    """The index of one repository; what is looked at is counted in `done`."""

    def __init__(self, driver: Driver, name: RepositoryName, done: Reindexed | None = None) -> None:
        self._driver = driver
        self._name = name
        self._done = done or Reindexed()

    async def renew(self, digest: Digest) -> Change | None:
        """Write the entry of a manifest that has a subject, if it is not as it should be."""
        self._done.manifests += 1
        found = await self._manifest(digest)
        if found is None:
            self._done.unread += await self._is_linked(digest)
            return None
        if found.subject is None:
            return None
        wanted = referrers.entry(found)
        key = layout.referrer(self._name, found.subject, found.digest)
        try:
            there: bytes | None = await beginning(self._driver, key, len(wanted) + 1)
        except NotFoundError:
            there = None
        if there == wanted:
            return None
        await self._driver.write(key, once(wanted))
        if not await self._is_linked(found.digest):  # it was deleted meanwhile
            return await self.remove(found.subject, found.digest)
        action: Literal["added", "renewed"] = "added" if there is None else "renewed"
        return Change(action, self._name, found.subject, found.digest)

    async def orphans(self) -> AsyncGenerator[Change, None]:
        """Remove the entries whose manifest is not there."""
        prefix = layout.repository(self._name)
        places: list[Place] = []
        async with aclosing(self._driver.scan(f"{prefix}_referrers/")) as entries:
            async for entry in entries:
                if isinstance(entry, Entry):
                    places.append(place_of(entry.key[len(prefix) :]))
                if len(places) == _BATCH:
                    for change in await each(self._look, places):
                        if change is not None:
                            yield change
                    places = []
        for change in await each(self._look, places):
            if change is not None:
                yield change

    async def _look(self, place: Place) -> Change | None:
        if place.digest is None or place.subject is None or await self._is_linked(place.digest):
            return None
        return await self.remove(place.subject, place.digest)

    async def remove(self, subject: Digest, digest: Digest) -> Change | None:
        """Remove an entry, unless its manifest was pushed meanwhile.

        A push writes the link before the entry: if it is the push's own entry that was removed
        here, its link is there to be seen, and the entry is written again.
        """
        await self._driver.delete([layout.referrer(self._name, subject, digest)])
        found = await self._manifest(digest)
        if found is None or found.subject != subject:
            return Change("removed", self._name, subject, digest)
        key = layout.referrer(self._name, subject, digest)
        await self._driver.write(key, once(referrers.entry(found)))
        return None

    async def _is_linked(self, digest: Digest) -> bool:
        """Whether there is a link, be it damaged: that can be mended."""
        try:
            await self._driver.stat(layout.revision_link(self._name, digest))
        except NotFoundError:
            return False
        return True

    async def _manifest(self, digest: Digest) -> Manifest | None:
        """A manifest that the repository has; None: it has not, or its bytes are not its own."""
        stored = await read_link(self._driver, layout.revision_link(self._name, digest))
        if stored is None:
            return None
        try:
            content = await beginning(self._driver, layout.blob(stored), manifest.LIMIT + 1)
            if len(content) > manifest.LIMIT or Digest.of(content, stored.algorithm) != stored:
                return None
            return manifest.read(content, digest)
        except (NotFoundError, ManifestInvalidError):
            return None
