"""Tags of one repository: what they point to, and what they pointed to before."""

from __future__ import annotations

from contextlib import aclosing

from entrepot.core import layout
from entrepot.core.driver import Entry
from entrepot.core.errors import NotFoundError
from entrepot.core.listing import holds
from entrepot.core.names import Digest, RepositoryName, Tag
from entrepot.core.scrubbing.contents import Contents
from entrepot.core.scrubbing.findings import Finding, Problem
from entrepot.core.scrubbing.mending import Mend, Mending
from entrepot.core.scrubbing.places import place_of
from entrepot.core.scrubbing.revisions import Revisions


class TagLinks:
    """Looks at the links below a repository's tags."""

    def __init__(
        self, contents: Contents, mending: Mending, revisions: Revisions, name: RepositoryName
    ) -> None:
        self._contents = contents
        self._mending = mending
        self._revisions = revisions
        self._name = name

    async def current(self, tag: Tag) -> list[Problem]:
        """What a tag points to."""
        key = layout.tag_link(self._name, tag)
        digest = await self._contents.link(key)
        if isinstance(digest, str):
            only = await self._only_candidate(tag)
            mend = None if only is None else self._mending.link(key, only)
            return [self._problem("tag-damaged", key, f"it holds {digest}", only, mend)]
        if not await self._is_there(layout.revision_link(self._name, digest)):
            is_whole = await self._contents.is_manifest(digest)
            mends = self._revisions
            mend = mends.link_mend(digest) if is_whole else mends.fetch_mend(digest)
            what = f"it points to {digest}, which the repository does not have"
            return [self._problem("tag-dangling", key, what, digest, mend)]
        history = layout.tag_history(self._name, tag, digest)
        if not await self._is_there(history):
            mend = self._mending.link(history, digest)
            what = "nothing says that the tag points to it"
            return [self._problem("history-missing", history, what, digest, mend)]
        return []

    async def unfinished(self, tag: Tag) -> list[Problem]:
        """A tag that has a history and points to nothing."""
        key = layout.tag_link(self._name, tag)
        if await self._is_there(key):
            return []
        if not await holds(self._contents.driver, layout.tag(self._name, tag)):
            return []
        return [self._problem("tag-unfinished", key, "the tag points to nothing")]

    async def history(self, tag: Tag, digest: Digest) -> list[Problem]:
        """One of the manifests that a tag pointed to; it may be gone."""
        key = layout.tag_history(self._name, tag, digest)
        found = await self._contents.link(key)
        if found == digest:
            return []
        mend = self._mending.link(key, digest)
        return [self._problem("history-damaged", key, f"it holds {found}", digest, mend)]

    async def _only_candidate(self, tag: Tag) -> Digest | None:
        """The only manifest that a tag can point to, by its history; None: there are others.

        One that is neither linked nor has any bytes does not count: it was deleted, and a tag
        that pointed to it would have been deleted with it.
        """
        candidates: list[Digest] = []
        prefix = layout.repository(self._name)
        async with aclosing(self._contents.driver.scan(layout.tag(self._name, tag))) as entries:
            async for entry in entries:
                if not isinstance(entry, Entry):
                    continue
                digest = place_of(entry.key[len(prefix) :]).digest
                if digest is not None and await self._may_be(digest):
                    candidates.append(digest)
                if len(candidates) > 1:
                    return None
        only = candidates[0] if candidates else None
        if only is None or not await self._is_there(layout.revision_link(self._name, only)):
            return None
        return only

    async def _may_be(self, digest: Digest) -> bool:
        if await self._is_there(layout.revision_link(self._name, digest)):
            return True
        return await self._is_there(layout.blob(digest))

    async def _is_there(self, key: str) -> bool:
        try:
            await self._contents.driver.stat(key)
        except NotFoundError:
            return False
        return True

    def _problem(
        self, kind: str, key: str, what: str, digest: Digest | None = None, mend: Mend | None = None
    ) -> Problem:
        said = "" if digest is None else str(digest)
        return Problem(Finding(kind, key, what, self._name.text, said), mend)
