"""The manifests of one repository: read once each, and what those need that are reachable."""

from __future__ import annotations

import sys
from array import array
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing

from entrepot.core import inventory, layout
from entrepot.core.collecting.marking_scans import links
from entrepot.core.collecting.marking_terms import MarkOptions
from entrepot.core.collecting.reachable import DamagedError, ManifestReader, References
from entrepot.core.collecting.reachable_graph import Graph
from entrepot.core.collecting.spill import Records, Spill, link_size, packed_digest, unpacked
from entrepot.core.collecting.untagged import Untagged, apply_to, keep_type
from entrepot.core.concurrency import WIDTH, each
from entrepot.core.driver import Driver
from entrepot.core.links import read_link
from entrepot.core.names import RepositoryName, Tag

_BATCH = 4 * WIDTH


class Manifests:
    """What is known of a repository's manifests while it is marked.

    `damage` says why the repository has to be left alone, if it has to. Takes about 200 bytes
    for each manifest.
    """

    def __init__(
        self, driver: Driver, name: RepositoryName, options: MarkOptions, reader: ManifestReader
    ) -> None:
        self.damage = ""
        self._driver = driver
        self._name = name
        self._reader = reader
        self._young = options.oldest_young
        self._now = options.now
        rules = options.untagged
        self._rules = rules if rules is not None and apply_to(rules, name.text) else None
        self._digests: list[bytes] = []
        self._modified = array("d")
        self._odd: set[int] = set()  # those whose link is not as long as its digest
        self._types: list[str] = []
        self._graph = Graph(self._digests)
        self._unread: list[bytes] = []  # children that have no link

    def __len__(self) -> int:
        """How many have a link."""
        return len(self._digests)

    async def mark(self, live: Spill) -> list[bytes]:
        """Add to `live` whatever the reachable manifests need; gives those that are not."""
        with Records() as waiting:
            await self._list()
            await self._read_linked(waiting)
            await self._read_children(waiting)
            reached = await self._reached()
            for number, content in waiting:
                if reached[int.from_bytes(number)]:
                    live.add(content)
        return [digest for digest, kept in zip(self._digests, reached, strict=False) if not kept]

    async def _list(self) -> None:
        async with aclosing(links(self._driver, layout.revisions(self._name))) as found:
            async for link in found:
                if link.size != link_size(link.digest):
                    self._odd.add(len(self._digests))
                self._digests.append(link.digest)
                self._modified.append(link.modified)

    async def _read_linked(self, waiting: Records) -> None:
        for first in range(0, len(self._digests), _BATCH):
            batch = range(first, min(first + _BATCH, len(self._digests)))
            for number, found in zip(batch, await each(self._linked, batch), strict=True):
                self._take(number, self._digests[number], found, waiting)
                self._types.append(sys.intern(found.artifact_type))

    async def _linked(self, number: int) -> References:
        """What a manifest names that has a link, which may be torn or say another digest."""
        digest = unpacked(self._digests[number])
        said = digest
        if number in self._odd:
            link = await read_link(self._driver, layout.revision_link(self._name, digest))
            said = link or digest
        try:
            found = await self._reader.references(said)
        except DamagedError as error:
            if number not in self._odd:
                self.damage = self.damage or str(error)
            return References(())
        if said == digest:
            return found
        content = (packed_digest(said), *found.content)
        return References(content, found.children, found.subject, found.artifact_type)

    async def _read_children(self, waiting: Records) -> None:
        """Read what an index says are its manifests, though the repository has no link to them."""
        while self._unread:
            batch = self._unread[-_BATCH:]
            del self._unread[-_BATCH:]
            for digest, found in zip(batch, await each(self._child, batch), strict=True):
                self._take(self._graph.add(digest), digest, found, waiting)

    async def _child(self, digest: bytes) -> References:
        try:
            return await self._reader.references(unpacked(digest))
        except DamagedError:  # a part of an index may be missing, and nobody can pull this one
            return References(())

    def _take(self, number: int, digest: bytes, found: References, waiting: Records) -> None:
        """Whatever a manifest names and is one by its link counts as one, however it is named."""
        waiting.add(number.to_bytes(4), (digest, *found.content))
        children = frozenset(found.children)
        for named in found.content:
            other = self._graph.number(named)
            if other is None and named in children:
                other = self._graph.add(named)
                self._unread.append(named)
            if other is not None:
                self._graph.contain(number, other)
        if found.subject is not None:
            self._graph.attach(number, found.subject)

    async def _reached(self) -> bytearray:
        rules = self._rules
        if rules is None or self.damage:
            return bytearray(b"\1") * len(self._graph)
        async with aclosing(self._tagged()) as found:
            roots = [number async for number in found]
        untagged = bytearray(1 - tagged for tagged in self._graph.reached(roots))
        roots += self._kept(rules)
        if rules.keep_last:
            tops = [number for number in self._graph.tops(untagged) if number < len(self)]
            roots += sorted(tops, key=self._modified.__getitem__)[-rules.keep_last :]
        return self._graph.reached(roots)

    def _kept(self, rules: Untagged) -> Iterator[int]:
        """Those that are too young or of a type to be kept."""
        young = min(self._young, self._now - rules.older_than)
        for number, modified in enumerate(self._modified):
            if modified >= young or keep_type(rules, self._types[number]):
                yield number

    async def _tagged(self) -> AsyncGenerator[int, None]:
        """What tags point to; if a tag's link is torn, all that it ever pointed to."""
        async with aclosing(inventory.tags(self._driver, self._name)) as tags:
            async for tag, digest in tags:
                targets = [packed_digest(digest)] if digest else await self._history(tag)
                for target in targets:
                    number = self._graph.number(target)
                    if number is not None:
                        yield number

    async def _history(self, tag: Tag) -> list[bytes]:
        folder = f"{layout.tag(self._name, tag)}index/"
        async with aclosing(links(self._driver, folder)) as found:
            return [link.digest async for link in found]
