"""One repository: which of its links are garbage, and which digests it needs on the store."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass

from entrepot.core import layout
from entrepot.core.collecting.marking_manifests import Manifests
from entrepot.core.collecting.marking_scans import Found, links, links_of_longer_digests
from entrepot.core.collecting.marking_terms import MarkOptions
from entrepot.core.collecting.reachable import ManifestReader
from entrepot.core.collecting.spill import Membership, Spill, link_size, packed_digest, unpacked
from entrepot.core.driver import Driver
from entrepot.core.links import read_link
from entrepot.core.names import RepositoryName

_HELD = 1 << 14  # digests in memory; of few repositories there are more


@dataclass(frozen=True, slots=True)
class MarkedRepository:
    """Garbage among its links, as packed digests in order, and how many links were seen.

    `damage` says why it is left alone, else is "".
    """

    name: RepositoryName
    revisions: list[bytes]
    layers: list[bytes]
    manifests_seen: int
    layers_seen: int
    damage: str


@dataclass(frozen=True, slots=True)
class RepositoryMark:
    """Marks repositories; what they need goes into `needed`."""

    driver: Driver
    options: MarkOptions
    reader: ManifestReader
    needed: Spill

    async def mark(self, name: RepositoryName) -> MarkedRepository:
        with Spill(_HELD) as live:
            manifests = Manifests(self.driver, name, self.options, self.reader)
            revisions = await manifests.mark(live)
            oldest_young = float("-inf") if manifests.damage else self.options.oldest_young
            await self._add_aliased(name, live, oldest_young)
            layers: list[bytes] = []
            seen = 0
            is_live = Membership(live.between())
            async with aclosing(links(self.driver, layout.layers(name))) as found:
                async for link in found:
                    seen += 1
                    if link.digest in is_live:
                        continue
                    if link.modified >= oldest_young:
                        self.needed.add((link.digest,))
                    else:
                        layers.append(link.digest)
            self.needed.add(live.between())
        return MarkedRepository(name, revisions, layers, len(manifests), seen, manifests.damage)

    async def _add_aliased(self, name: RepositoryName, live: Spill, oldest_young: float) -> None:
        """What links that stay say in place of their own digest.

        Distribution stores what was pushed by another digest under its sha256, and has a link
        under each that says the sha256.
        """
        folder = layout.layers(name)
        aliases: list[Found] = []
        async with aclosing(links_of_longer_digests(self.driver, folder)) as found:
            async for link in found:
                if link.size == link_size(link.digest):
                    continue
                if link.modified >= oldest_young or link.digest in live:
                    aliases.append(link)
        for link in aliases:
            key = layout.layer_link(name, unpacked(link.digest))
            said = await read_link(self.driver, key)
            if said is not None:
                live.add((packed_digest(said),))
