"""Writing repositories into a layout: what tags need and what refers to it, verified."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from entrepot.core import hashing, inventory, layout, manifest
from entrepot.core.archiving.errors import ArchiveError, ContentError
from entrepot.core.archiving.layouts import DEEPEST
from entrepot.core.archiving.names import Selection, entry_of
from entrepot.core.archiving.sources import Source
from entrepot.core.archiving.targets import Target
from entrepot.core.concurrency import each
from entrepot.core.errors import (
    BlobUnknownError,
    ManifestInvalidError,
    ManifestUnknownError,
    NotFoundError,
)
from entrepot.core.globs import Globs
from entrepot.core.manifest import Descriptor, Manifest
from entrepot.core.names import Digest, RepositoryName, Tag
from entrepot.core.registry import Registry
from entrepot.core.streams import gather, once

_DAMAGE = (
    BlobUnknownError,
    ContentError,
    ManifestInvalidError,
    ManifestUnknownError,
    NotFoundError,
)


@dataclass(slots=True)
class Exported:
    """What an export did: how many tags and digests it names, how many contents it has written
    and `left_out`, and how many bytes it has written. `failures` are images that are not in it,
    each with the reason.
    """

    names: int = 0
    written: int = 0
    left_out: int = 0
    size: int = 0
    failures: list[str] = field(default_factory=list[str])


async def export(
    registry: Registry,
    wanted: Sequence[Selection],
    target: Target,
    earlier: Source | None = None,
    told: Callable[[int], None] | None = None,
) -> Exported:
    """Write what is `wanted` into a layout, with all that refers to it by its `subject`.

    Blobs that an `earlier` export has are left out; manifests never are. An image that is
    damaged, or deleted meanwhile, is among the failures and not in the index. `told` hears of
    bytes written. What is known of contents and manifests takes some 200 bytes of memory each.

    Raises ArchiveError: if the target cannot be written, or nothing could be exported.
    """
    writing = _Writing(registry, target, told)
    if earlier is not None:
        await writing.leave_out(earlier)
    entries: list[Descriptor] = []
    matched: set[str] = set()
    async with aclosing(_repositories(registry, wanted)) as names:
        async for name in names:
            walk = _Walk(writing, registry, name)
            async with aclosing(_roots(registry, name, wanted, matched)) as roots:
                async for tag, digest in roots:
                    await walk.root(tag, digest)
            entries += walk.entries()
    missing = [selection.text for selection in wanted if selection.text not in matched]
    writing.done.failures += [f"{text}: nothing is called so" for text in missing]
    if not entries:
        reasons = "; ".join(writing.done.failures[:3])
        raise ArchiveError(f"nothing was exported: {reasons}")
    await target.finish(entries)
    return writing.done


async def _repositories(
    registry: Registry, wanted: Sequence[Selection]
) -> AsyncGenerator[RepositoryName, None]:
    globs = Globs(selection.repositories for selection in wanted)

    def enters(folder: str) -> bool:
        return globs.enters(tuple(folder.split("/")), "")

    async with aclosing(registry.repositories(enters=enters)) as names:
        async for name in names:
            if globs.match(name, ""):
                yield RepositoryName(name)


async def _roots(
    registry: Registry, name: RepositoryName, wanted: Sequence[Selection], matched: set[str]
) -> AsyncGenerator[tuple[Tag | None, Digest], None]:
    """Digests and tags of a repository that are wanted; which wishes were met goes to `matched`."""
    of_it = [one for one in wanted if Globs([one.repositories]).match(name.text, "")]
    for selection in of_it:
        if selection.digest is not None:
            matched.add(selection.text)
            yield None, selection.digest
    tagged = [selection for selection in of_it if selection.digest is None]
    if not tagged:
        return
    async with aclosing(inventory.tags(registry.driver, name)) as tags:
        async for tag, digest in tags:
            met = {selection.text for selection in tagged if selection.has_tag(tag)}
            if met and digest is not None:
                matched |= met
                yield tag, digest


class _Writing:
    """One export under way: contents, whatever repository they are in."""

    def __init__(
        self, registry: Registry, target: Target, told: Callable[[int], None] | None
    ) -> None:
        self.done = Exported()
        self.width = target.width
        self._registry = registry
        self._target = target
        self._told = told
        self._earlier: set[Digest] = set()
        self._left_out: set[Digest] = set()

    async def leave_out(self, earlier: Source) -> None:
        """Remember what blobs an earlier export has, by the manifests that it names.

        These are in it, or for an index alone on the store still; what others need is written
        again. A child that its index may lack is on the store perhaps since a later day only.
        """
        platforms = self._registry.rules.platforms
        waiting = list(earlier.entries)
        seen: set[str] = set()
        while waiting:
            descriptor = waiting.pop()
            if descriptor.digest in seen:
                continue
            seen.add(descriptor.digest)
            is_alone = earlier.is_index_alone
            found = await (self._stored if is_alone else earlier.manifest)(descriptor)
            if found is not None:
                children = found.manifests
                waiting += [one for one in children if not is_alone or platforms.includes(one)]
                here = [blob for blob in found.blobs if not blob.elsewhere]
                self._earlier.update(Digest.parse(blob.digest) for blob in here)

    async def _stored(self, descriptor: Descriptor) -> Manifest | None:
        digest = Digest.parse(descriptor.digest)
        try:
            content = await gather(self._registry.driver, layout.blob(digest), manifest.LIMIT)
            is_whole = Digest.of(content, digest.algorithm).matches(digest)
            return manifest.read(content, digest) if is_whole else None
        except (NotFoundError, ManifestInvalidError):
            return None

    async def blob(self, name: RepositoryName, descriptor: Descriptor) -> None:
        """Write a blob, unless it is there or was left out."""
        digest = Digest.parse(descriptor.digest)
        if digest in self._earlier:
            self._left_out.add(digest)
            self.done.left_out = len(self._left_out)
            return
        blobs = self._registry.repository(name).blobs
        try:
            found = await blobs.prove(await blobs.look(digest))
        except BlobUnknownError:
            if descriptor.elsewhere:
                return
            raise
        await self._write(digest, found.size, blobs.read(found, 0, found.size))

    async def manifest(self, found: Manifest) -> None:
        await self._write(found.digest, len(found.content), once(found.content))

    async def _write(self, digest: Digest, size: int, chunks: AsyncGenerator[bytes, None]) -> None:
        async with aclosing(chunks), aclosing(self._verified(digest, chunks)) as verified:
            if await self._target.has(digest, size):
                return
            await self._target.write(digest, size, verified)
        self.done.written += 1
        self.done.size += size

    async def _verified(
        self, digest: Digest, chunks: AsyncIterator[bytes]
    ) -> AsyncGenerator[bytes, None]:
        running = hashing.begin(digest.algorithm)
        hashed = hashing.hashed(chunks, running, self._registry.threads)
        async with aclosing(hashed):
            async for chunk in hashed:
                if self._told is not None:
                    self._told(len(chunk))
                yield chunk
        if not running.digest().matches(digest):
            raise ContentError(f"{digest} has the digest {running.digest()} on the store")


class _Walk:
    """What is written of one repository: each manifest after all that it needs."""

    def __init__(self, writing: _Writing, registry: Registry, name: RepositoryName) -> None:
        self._writing = writing
        self._name = name
        self._repository = registry.repository(name)
        self._platforms = registry.rules.platforms
        self._written: set[Digest] = set()
        self._begun: set[Digest] = set()
        self._roots: list[Descriptor] = []
        self._referrers: dict[Digest, Descriptor] = {}

    def entries(self) -> list[Descriptor]:
        """Of the index: names first, then what refers to something and has none."""
        named = {entry.digest for entry in self._roots}
        return self._roots + [
            entry
            for digest, entry in self._referrers.items()
            if digest in self._written and str(digest) not in named
        ]

    async def root(self, tag: Tag | None, digest: Digest) -> None:
        """Write what a tag points to, or tell why it cannot be."""
        try:
            found = await self._write(digest, 0)
        except _DAMAGE as error:
            self._fail(tag or digest, error)
        else:
            self._writing.done.names += 1
            self._roots.append(entry_of(found, self._name, tag))

    async def _write(self, digest: Digest, depth: int) -> Manifest:
        found = await self._manifest(digest)
        if digest in self._begun:  # or below itself, as only a forged list of referrers says
            return found
        if depth > DEEPEST:
            raise ContentError(f"{digest} is nested deeper than {DEEPEST} manifests")
        self._begun.add(digest)
        try:
            for child in found.manifests:
                await self._child(child, depth)
            blobs = {blob.digest: blob for blob in found.blobs}  # the same layer may come twice
            await each(self._blob, blobs.values(), self._writing.width)
            await self._writing.manifest(found)
        except BaseException:
            self._begun.discard(digest)
            raise
        self._written.add(digest)
        await self._attached(digest, depth)
        return found

    async def _manifest(self, digest: Digest) -> Manifest:
        found = await self._repository.manifests.get(digest)
        return manifest.parse(found.content, None, digest)

    async def _blob(self, descriptor: Descriptor) -> None:
        await self._writing.blob(self._name, descriptor)

    async def _child(self, descriptor: Descriptor, depth: int) -> None:
        try:
            await self._write(Digest.parse(descriptor.digest), depth + 1)
        except ManifestUnknownError:
            if self._platforms.includes(descriptor):
                raise

    async def _attached(self, digest: Digest, depth: int) -> None:
        """Write what refers to a manifest; what of it is damaged does no harm to the manifest."""
        after, more = "", True
        while more:
            page = await self._repository.referrers.page(digest, after=after)
            for descriptor in page.descriptors:
                referrer = Digest.parse(descriptor["digest"])
                try:
                    found = await self._write(referrer, depth + 1)
                except _DAMAGE as error:
                    self._fail(referrer, error)
                else:
                    self._referrers[referrer] = entry_of(found, self._name, None)
            after, more = page.last, page.more

    def _fail(self, reference: Tag | Digest, error: Exception) -> None:
        mark = ":" if isinstance(reference, Tag) else "@"
        self._writing.done.failures.append(f"{self._name}{mark}{reference}: {error}")
