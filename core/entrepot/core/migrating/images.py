"""Manifests on their way: children before their parents, and tags last."""

from __future__ import annotations

from dataclasses import dataclass

from entrepot.core import layout, manifest
from entrepot.core.errors import (
    DigestInvalidError,
    ManifestInvalidError,
    NotFoundError,
    StorageError,
)
from entrepot.core.links import read_link
from entrepot.core.manifest import Manifest
from entrepot.core.migrating.objects import Objects, Outcome, entry
from entrepot.core.migrating.pairing import Pair
from entrepot.core.names import Digest, RepositoryName
from entrepot.core.streams import beginning

_DEEPEST = 32  # indexes within indexes; what is deeper comes in the order of its digests


@dataclass(frozen=True, slots=True)
class Needed:
    """What of a manifest's content is not there yet."""

    whole: bool  # its blobs, too
    depth: int  # of indexes around it


class Images:
    """Copies the manifests of one repository."""

    def __init__(self, objects: Objects, name: RepositoryName) -> None:
        self._objects = objects
        self._name = name
        self._early: set[Digest] = set()  # children that came before their turn

    async def of(self, pair: Pair) -> None:
        """A key among the revisions, as both stores list it."""
        digest = self._digest_of(pair.key)
        if digest is None:
            await self._objects.link_of(pair)  # a signature of a schema that is long gone
        elif pair.is_alike and not self._objects.choice.verify:
            self._objects.record.skipped()
        elif pair.source is not None:
            await self.bring(digest, is_there=pair.is_alike)

    def _digest_of(self, key: str) -> Digest | None:
        parts = key.removeprefix(layout.revisions(self._name)).split("/")
        if len(parts) != 3 or parts[2] != "link":
            return None
        try:
            return Digest.parse(f"{parts[0]}:{parts[1]}")
        except DigestInvalidError:
            return None

    async def bring(
        self, digest: Digest, *, whole: bool = False, is_there: bool = False, depth: int = 0
    ) -> Outcome:
        """See to it that the target has a manifest, and before it what it names.

        Its blobs are thought to be there already, unless `whole` is asked for. `is_there`: the
        target has its link, which is to be verified.
        """
        key = layout.revision_link(self._name, digest)
        async with self._objects.alone(key):
            if digest in self._early or (depth and not await self._is_wanted(key)):
                return Outcome.THERE
            needed = Needed(whole, depth)
            outcome = await self._bring(key, digest, needed, is_there=is_there)
            if outcome is Outcome.THERE and (depth or self._objects.choice.dry_run):
                self._early.add(digest)
            return outcome

    async def _bring(self, key: str, digest: Digest, needed: Needed, *, is_there: bool) -> Outcome:
        objects = self._objects
        try:
            stored = await read_link(objects.source, key)
            parsed = None if stored is None else await self._read(stored)
        except StorageError as error:
            objects.record.failed(key, error)
            return Outcome.FAILED
        if parsed is not None:
            await self._bring_needed(parsed, needed)
        outcome = Outcome.MISSING if stored is None else await objects.blob(stored)
        if outcome is Outcome.MISSING and not needed.whole:
            objects.record.left_out(key, f"the source does not have the manifest {digest}")
        if outcome is not Outcome.THERE:
            return outcome
        return await objects.plain(key, len(str(stored)), is_there=is_there)

    async def has(self, digest: Digest) -> bool:
        """Whether the target has a manifest. Raises StorageError."""
        key = layout.revision_link(self._name, digest)
        return await entry(self._objects.target, key) is not None

    async def _bring_needed(self, parsed: Manifest, needed: Needed) -> None:
        for blob in parsed.blobs if needed.whole else ():
            await self._bring_layer(Digest.parse(blob.digest))
        for child in parsed.manifests if needed.depth < _DEEPEST else ():
            digest = Digest.parse(child.digest)
            await self.bring(digest, whole=needed.whole, depth=needed.depth + 1)

    async def _bring_layer(self, digest: Digest) -> None:
        key = layout.layer_link(self._name, digest)
        if await self._is_wanted(key):
            await self._objects.link(key, len(str(digest)))

    async def _is_wanted(self, key: str) -> bool:
        """Whether the source has it and the target has not."""
        try:
            there = await entry(self._objects.target, key)
            return there is None and await entry(self._objects.source, key) is not None
        except StorageError as error:
            self._objects.record.failed(key, error)
            return False

    async def _read(self, stored: Digest) -> Manifest | None:
        """What a manifest says; None if nothing can be read from it."""
        try:
            content = await beginning(self._objects.source, layout.blob(stored), manifest.LIMIT)
            return manifest.read(content, stored)
        except (NotFoundError, ManifestInvalidError):
            return None
