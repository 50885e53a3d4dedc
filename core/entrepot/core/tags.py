"""Tags of one repository: always read from the store, never from memory."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass

from entrepot.core import layout
from entrepot.core.concurrency import WIDTH, each
from entrepot.core.driver import Driver, Entry
from entrepot.core.errors import ManifestUnknownError
from entrepot.core.links import read_link, write_link
from entrepot.core.listing import children
from entrepot.core.names import Digest, RepositoryName, Tag


@dataclass(frozen=True, slots=True)
class Page:
    """Some names of a longer list, and whether there are more behind them."""

    names: list[str]
    more: bool


class Tags:
    """`width` is the number of tags that are looked up at a time."""

    def __init__(self, driver: Driver, name: RepositoryName, width: int = WIDTH) -> None:
        self._driver = driver
        self._name = name
        self._width = width

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
        """
        await write_link(self._driver, layout.tag_history(self._name, tag, digest), digest)
        await write_link(self._driver, layout.tag_link(self._name, tag), digest)

    async def delete(self, tag: Tag) -> None:
        """Remove the tag and its history; what it pointed to stays.

        Raises ManifestUnknownError.
        """
        await self.get(tag)
        await self._remove(tag)

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

    async def untag(self, digest: Digest) -> list[Tag]:
        """Remove every tag that points to this digest. Costs reading all tags.

        The tags' history goes, too.
        """
        removed: list[Tag] = []
        async with aclosing(children(self._driver, layout.tags(self._name))) as found:
            names = [Tag(name) async for name in found]
        for tag, current in zip(names, await each(self.find, names, self._width), strict=True):
            if current == digest:
                await self._remove(tag)
                removed.append(tag)
        return removed

    async def _valid(self, names: list[str]) -> list[str]:
        links = await each(self.find, [Tag(name) for name in names], self._width)
        return [name for name, link in zip(names, links, strict=True) if link is not None]

    async def _remove(self, tag: Tag) -> None:
        await self._driver.delete([layout.tag_link(self._name, tag)])
        async with aclosing(self._driver.scan(layout.tag(self._name, tag))) as left:
            history = [item.key async for item in left if isinstance(item, Entry)]
        current = layout.tag_link(self._name, tag)  # if it is back, somebody pushed meanwhile
        await self._driver.delete([key for key in history if key != current])
