"""One repository: which of its links are garbage, and which digests it needs on the store."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass

from entrepot.core import layout
from entrepot.core.collecting.marking_manifests import Manifests
from entrepot.core.collecting.marking_scans import unneeded_layers
from entrepot.core.collecting.marking_terms import MarkOptions, MarkReport
from entrepot.core.collecting.reachable import ManifestReader
from entrepot.core.collecting.spill import Spill, link_size, packed_digest, unpacked
from entrepot.core.driver import Driver
from entrepot.core.links import read_link
from entrepot.core.names import RepositoryName

_HELD = 1 << 14  # digests in memory; of few repositories there are more


@dataclass(frozen=True, slots=True)
class MarkedRepository:
    """Garbage among its links, as packed digests in order."""

    name: RepositoryName
    revisions: list[bytes]
    layers: list[bytes]


@dataclass(frozen=True, slots=True)
class RepositoryMark:
    """Marks repositories; what they need goes into `needed`."""

    driver: Driver
    options: MarkOptions
    reader: ManifestReader
    needed: Spill
    report: MarkReport

    async def mark(self, name: RepositoryName) -> MarkedRepository:
        with Spill(_HELD) as live:
            manifests = Manifests(self.driver, name, self.options, self.reader)
            revisions = await manifests.mark(live)
            self.needed.add(live.between())
            oldest_young = float("-inf") if manifests.damage else self.options.oldest_young
            layers = await self._layers(name, live, oldest_young)
        self._count(name, manifests)
        return MarkedRepository(name, revisions, layers)

    async def _layers(self, name: RepositoryName, live: Spill, oldest_young: float) -> list[bytes]:
        """Links that are garbage; what those need that stay though nothing needs them is added."""
        garbage: list[bytes] = []
        aliases: list[bytes] = []
        found = unneeded_layers(self.driver, name, live, self._count_layers)
        async with aclosing(found):
            async for link in found:
                if link.modified >= oldest_young or link.digest in live:
                    self.needed.add((link.digest,))
                    if link.size != link_size(link.digest):
                        aliases.append(link.digest)
                else:
                    garbage.append(link.digest)
        said = {await self._said(name, alias) for alias in aliases}
        self.needed.add(said)
        return [digest for digest in garbage if digest not in said] if said else garbage

    async def _said(self, name: RepositoryName, alias: bytes) -> bytes:
        """What a link says in place of its own digest, if it says anything.

        Distribution stores what was pushed by another digest under its sha256, and has a link
        under each that says the sha256.
        """
        said = await read_link(self.driver, layout.layer_link(name, unpacked(alias)))
        return packed_digest(said) if said is not None else alias

    def _count_layers(self, number: int) -> None:
        self.report.layers += number

    def _count(self, name: RepositoryName, manifests: Manifests) -> None:
        self.report.repositories += 1
        self.report.manifests += len(manifests)
        if manifests.damage:
            self.report.leave_alone(name.text, manifests.damage)
