"""One repository: every key in its folders has a purpose, and is looked at for that."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from functools import partial

from entrepot.core import layout
from entrepot.core.concurrency import WIDTH, each
from entrepot.core.content import Platforms
from entrepot.core.driver import Entry
from entrepot.core.errors import NotFoundError
from entrepot.core.names import Digest, RepositoryName, Tag
from entrepot.core.reindexing import ReferrersIndex
from entrepot.core.scrubbing.contents import Contents
from entrepot.core.scrubbing.doubts import Check, Doubts
from entrepot.core.scrubbing.findings import Finding, Problem
from entrepot.core.scrubbing.mending import Mend, Mending
from entrepot.core.scrubbing.places import FOLDERS, Place, place_of
from entrepot.core.scrubbing.revisions import Revisions
from entrepot.core.scrubbing.tags import TagLinks

_BATCH = 4 * WIDTH
_MISSING = 10_000  # stale links that are told from links that a manifest needs
_HOUR = 3600.0  # seconds in which somebody may still write a temporary file


class RepositoryCheck:
    """Looks at a whole repository; what seems wrong is left to `doubts`, under a mark.

    With `hashes` the target of a link from one algorithm to another is read and hashed.
    """

    def __init__(
        self,
        contents: Contents,
        mending: Mending,
        doubts: Doubts,
        name: RepositoryName,
        *,
        platforms: Platforms,
        hashes: bool,
    ) -> None:
        self._contents = contents
        self._mending = mending
        self._doubts = doubts
        self._name = name
        self._hashes = hashes
        self._prefix = layout.repository(name)
        self._revisions = Revisions(contents, mending, name, platforms)
        self._tags = TagLinks(contents, mending, self._revisions, name)
        self._index = ReferrersIndex(contents.driver, name)

    async def run(self, mark: str, passed: Callable[[int], None]) -> None:
        """`passed` hears of how many objects were looked at."""
        for folder in FOLDERS:  # links before the manifests that name them
            await self._folder(folder, mark, passed)
        for digest, stored in self._revisions.missing.items():
            await self._doubts.look(partial(self._stale, digest, stored), mark)

    async def _folder(self, folder: str, mark: str, passed: Callable[[int], None]) -> None:
        batch: list[Check] = []

        async def look() -> None:
            await each(lambda check: self._doubts.look(check, mark), batch)
            batch.clear()
            await self._doubts.settle()

        async with aclosing(self._checks(folder, passed)) as checks:
            async for check in checks:
                batch.append(check)
                if len(batch) == _BATCH:
                    await look()
        await look()

    async def _checks(
        self, folder: str, passed: Callable[[int], None]
    ) -> AsyncGenerator[Check, None]:
        tag: Tag | None = None
        async with aclosing(self._contents.driver.scan(f"{self._prefix}{folder}/")) as entries:
            async for entry in entries:
                if not isinstance(entry, Entry):
                    continue
                passed(1)
                place = place_of(entry.key[len(self._prefix) :])
                if place.tag not in {None, tag}:
                    tag = place.tag
                    if tag is not None and place.purpose != "current":  # it would come first
                        yield partial(self._tags.unfinished, tag)
                yield self._check(place, entry)

    def _check(self, place: Place, entry: Entry) -> Check:
        match place:
            case Place("layer", Digest() as digest):
                return partial(self._layer, digest)
            case Place("revision", Digest() as digest):
                return partial(self._revisions.check, digest)
            case Place("current", tag=Tag() as tag):
                return partial(self._tags.current, tag)
            case Place("history", Digest() as digest, Tag() as tag):
                return partial(self._tags.history, tag, digest)
            case Place("referrer", Digest() as digest, subject=Digest() as subject):
                return partial(self._referrer, subject, digest)
            case _:
                return partial(self._odd, place, entry)

    async def _layer(self, digest: Digest) -> list[Problem]:
        key = layout.layer_link(self._name, digest)
        stored = await self._contents.link(key)
        if isinstance(stored, str) or not await self._leads(stored, digest):
            there = await self._contents.size(digest) is not None
            mend = self._mending.link(key, digest) if there else None
            return [self._problem("link-damaged", key, f"it holds {stored}", digest, mend)]
        if stored in self._contents.damaged:
            mend = self._mending.blob(self._name, stored)
            where, what = layout.blob(stored), "its bytes have another digest"
            return [self._problem("blob-damaged", where, what, digest, mend)]
        missing = self._revisions.missing
        if await self._contents.size(stored) is None and len(missing) < _MISSING:
            missing[digest] = stored
        return []

    async def _leads(self, stored: Digest, digest: Digest) -> bool:
        """Whether a link may say this: the digest itself, or that of another algorithm."""
        if stored.algorithm == digest.algorithm:
            return stored == digest
        if not self._hashes or await self._contents.size(stored) is None:
            return True
        found, _ = await self._contents.hash(layout.blob(stored), digest.algorithm)
        return found == digest

    async def _stale(self, digest: Digest, stored: Digest) -> list[Problem]:
        """A layer link to nothing, that no manifest of the repository needs."""
        key = layout.layer_link(self._name, digest)
        if await self._contents.link(key) != stored:
            return []
        if await self._contents.size(stored) is not None:
            return []
        return [self._problem("link-stale", key, "a link to a blob that is not there", digest)]

    async def _referrer(self, subject: Digest, digest: Digest) -> list[Problem]:
        """An entry without a manifest; one that is wrong is found with its manifest."""
        key = layout.referrer(self._name, subject, digest)
        await self._contents.driver.stat(key)
        try:
            await self._contents.driver.stat(layout.revision_link(self._name, digest))
        except NotFoundError:
            mend: Mend = partial(self._index.remove, subject, digest)
            return [self._problem("referrer-orphan", key, "its manifest is gone", digest, mend)]
        return []

    async def _odd(self, place: Place, entry: Entry) -> list[Problem]:
        if place.purpose == "signature":
            return []
        if place.purpose == "temporary" and time.time() - entry.modified < _HOUR:
            return []
        await self._contents.driver.stat(entry.key)
        what = "what a write left" if place.purpose == "temporary" else "no registry's object"
        kind = "temporary" if place.purpose == "temporary" else "stray"
        return [Problem(Finding(kind, entry.key, what, self._name.text))]

    def _problem(
        self, kind: str, key: str, what: str, digest: Digest, mend: Mend | None = None
    ) -> Problem:
        return Problem(Finding(kind, key, what, self._name.text, str(digest)), mend)
