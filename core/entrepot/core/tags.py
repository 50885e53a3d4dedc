"""Tags of one repository: always read from the store, never from memory.

What a rule calls immutable points to the manifest that it was first pushed with. Of several
first pushes at a time one wins, where the backend creates exclusively; elsewhere the last one.
"""

from __future__ import annotations

from contextlib import aclosing, suppress
from dataclasses import dataclass

from entrepot.core import layout
from entrepot.core.access import DeniedError
from entrepot.core.concurrency import WIDTH, each
from entrepot.core.driver import Driver, Entry
from entrepot.core.errors import (
    ExistsError,
    ManifestUnknownError,
    NotFoundError,
    UnsupportedError,
)
from entrepot.core.links import read_link, write_link
from entrepot.core.listing import children
from entrepot.core.names import Digest, RepositoryName, Tag
from entrepot.core.streams import once
from entrepot.core.tag_rules import NO_TAG_RULES, Immutable, TagRules


@dataclass(frozen=True, slots=True)
class Page:
    """Some names of a longer list, and whether there are more behind them."""

    names: list[str]
    more: bool


class Tags:
    """`width` is the number of tags that are looked up at a time."""

    def __init__(
        self,
        driver: Driver,
        name: RepositoryName,
        width: int = WIDTH,
        rules: TagRules = NO_TAG_RULES,
    ) -> None:
        self._driver = driver
        self._name = name
        self._width = width
        self._rules = rules

    async def find(self, tag: Tag) -> Digest | None:
        """What the tag points to; None if there is no such tag."""
        return await read_link(self._driver, layout.tag_link(self._name, tag))

    async def get(self, tag: Tag) -> Digest:
        """Raises ManifestUnknownError."""
        digest = await self.find(tag)
        if digest is None:
            raise ManifestUnknownError(
                f"no tag {tag} in repository {self._name}", detail={"tag": tag.text}
            )
        return digest

    async def set(self, tag: Tag, digest: Digest) -> None:
        """Point the tag to a manifest that is there already.

        The last write of a push, atomic: a reader gets the old digest or the new one.

        Raises DeniedError: if it is immutable and points to another one.
        """
        immutable = self._rules.immutable(self._name, tag.text)
        if immutable is not None:
            await self._claim(tag, digest, immutable)
        await write_link(self._driver, layout.tag_history(self._name, tag, digest), digest)
        if immutable is None:
            await write_link(self._driver, layout.tag_link(self._name, tag), digest)

    async def check(self, tag: Tag, digest: Digest) -> None:
        """Raises DeniedError: if the tag is immutable and points to another manifest now."""
        immutable = self._rules.immutable(self._name, tag.text)
        if immutable is not None:
            await self._compare(tag, digest, immutable)

    async def delete(self, tag: Tag) -> None:
        """Remove the tag and its history; what it pointed to stays.

        Raises ManifestUnknownError; DeniedError: if it is immutable and not deletable.
        """
        await self.get(tag)
        self.check_deletable(tag)
        await self._remove(tag)

    async def expire(self, tag: Tag, pushed: float) -> bool:
        """Remove a tag that was pushed at `pushed`, unless it was again since; whether it is gone.

        `pushed` is the modification time of its link. A push that comes meanwhile wins: it wrote
        the tag's history first, and what is newer there is what the tag points to again.
        """
        key = layout.tag_link(self._name, tag)
        try:
            if (await self._driver.stat(key)).modified != pushed:
                return False
        except NotFoundError:
            return False
        await self._driver.delete([key])
        left = await self._left(tag)
        later = max(left, key=lambda entry: entry.modified, default=None)
        if later is not None and later.modified > pushed:
            await self._restore(tag, later.key)
            return False
        pulled = layout.pulled(self._name, tag)
        await self._driver.delete([*(entry.key for entry in left), pulled])
        return True

    async def page(self, after: str = "", limit: int | None = None) -> Page:
        """Names past `after` in byte order, `limit` at most; None: all there are.

        Only tags that point to something are listed, so each costs reading its link.
        """
        names: list[str] = []
        wanted = None if limit is None else limit + 1
        batch: list[str] = []
        async with aclosing(children(self._driver, layout.tags(self._name), after)) as found:
            async for name in found:
                batch.append(name)
                if len(batch) == min(4 * WIDTH, wanted or 4 * WIDTH):
                    names += await self._valid(batch)
                    batch = []
                if wanted is not None and len(names) >= wanted:
                    break
        names += await self._valid(batch)
        return Page(names[:limit], wanted is not None and len(names) >= wanted)

    async def untag(self, digest: Digest, *, may: bool = True) -> list[Tag]:
        """Remove every tag that points to this digest, or none. Costs reading all tags.

        The tags' history goes, too.

        Raises DeniedError: if one of them is immutable and not deletable; UnsupportedError:
        unless it `may`, if there are any.
        """
        async with aclosing(children(self._driver, layout.tags(self._name))) as found:
            names = [Tag(name) async for name in found]
        currents = await each(self.find, names, self._width)
        pointing = [tag for tag, one in zip(names, currents, strict=True) if one == digest]
        if pointing and not may:
            raise UnsupportedError(
                f"tag {pointing[0]} points to it, and deleting tags is off: "
                "the operator can set storage.delete.tags"
            )
        for tag in pointing:
            self.check_deletable(tag)
        for tag in pointing:
            await self._remove(tag)
        return pointing

    async def _valid(self, names: list[str]) -> list[str]:
        links = await each(self.find, [Tag(name) for name in names], self._width)
        return [name for name, link in zip(names, links, strict=True) if link is not None]

    async def _claim(self, tag: Tag, digest: Digest, immutable: Immutable) -> None:
        """Point an immutable tag to a manifest before anybody else does.

        Its history comes behind it, or it would name what lost.
        """
        key = layout.tag_link(self._name, tag)
        try:
            await self._driver.write(key, once(str(digest).encode()), create=True)
        except ExistsError:
            if await self._compare(tag, digest, immutable) is None:  # damaged, or just deleted
                await write_link(self._driver, key, digest)

    async def _compare(self, tag: Tag, digest: Digest, immutable: Immutable) -> Digest | None:
        """What an immutable tag points to. Raises DeniedError: if that is something else."""
        found = await self.find(tag)
        if found not in {None, digest}:
            raise DeniedError(
                f"tag {tag} of {self._name} is immutable ({immutable}) and points to {found}; "
                "push under another tag",
                detail={"tag": tag.text, "digest": str(found)},
            )
        return found

    def check_deletable(self, tag: Tag) -> None:
        immutable = self._rules.immutable(self._name, tag.text)
        if immutable is not None and not immutable.deletable:
            raise DeniedError(
                f"tag {tag} of {self._name} is immutable ({immutable}) and stays; "
                "a rule with `deletable: true` would let it go",
                detail={"tag": tag.text},
            )

    async def _remove(self, tag: Tag) -> None:
        current = layout.tag_link(self._name, tag)
        await self._driver.delete([current])
        left = [entry.key for entry in await self._left(tag)]
        await self._driver.delete([key for key in left if key != current])  # back: pushed meanwhile

    async def _left(self, tag: Tag) -> list[Entry]:
        """What there is of a tag: its history, and its link if it has one."""
        async with aclosing(self._driver.scan(layout.tag(self._name, tag))) as left:
            return [entry async for entry in left if isinstance(entry, Entry)]

    async def _restore(self, tag: Tag, link: str) -> None:
        """Point a tag to what a link of its history says, unless it points somewhere already."""
        digest = await read_link(self._driver, link)
        if digest is None:
            return
        revision = await read_link(self._driver, layout.revision_link(self._name, digest))
        if revision is not None:
            with suppress(ExistsError):
                key = layout.tag_link(self._name, tag)
                await self._driver.write(key, once(str(digest).encode()), create=True)
