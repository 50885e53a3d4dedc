"""Pushing a layout into a store, as a client would, beside registries that serve.

Each manifest comes after all that it names, and tags come last, so a reader never sees half an
image. What was pushed stays when an import is stopped; the next one passes it over.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field

from entrepot.core.archiving.errors import ArchiveError, ContentError
from entrepot.core.archiving.layouts import DEEPEST
from entrepot.core.archiving.names import named, parsed
from entrepot.core.archiving.sources import Source
from entrepot.core.concurrency import each
from entrepot.core.errors import (
    BlobUnknownError,
    ManifestBlobUnknownError,
    ManifestUnknownError,
    ProtocolError,
)
from entrepot.core.manifest import Descriptor, Manifest
from entrepot.core.names import Digest, RepositoryName, Tag
from entrepot.core.registry import Registry

WIDTH = 4
"""Blobs of an image that are pushed at a time."""

_REFUSED = (ContentError, ProtocolError)
_EARLIER = "neither the archive nor the store has it; a delta needs the export it builds on"


@dataclass(slots=True)
class Imported:
    """What an import did: how many tags and digests of the index are there now, how many blobs
    it has written, and bytes of them. `failures` are images that are not, each with the reason.
    """

    names: int = 0
    written: int = 0
    size: int = 0
    failures: list[str] = field(default_factory=list[str])


@dataclass(slots=True)
class _Image:
    """An entry of the index, with all tags that it gets in one repository."""

    descriptor: Descriptor
    tags: list[Tag] = field(default_factory=list[Tag])


@dataclass(slots=True)
class _Plan:
    """What goes where; `unnamed` goes to where its subject is."""

    repositories: dict[RepositoryName, dict[str, _Image]] = field(
        default_factory=dict[RepositoryName, dict[str, _Image]]
    )
    unnamed: list[Descriptor] = field(default_factory=list[Descriptor])
    failures: list[str] = field(default_factory=list[str])


async def import_from(
    registry: Registry,
    source: Source,
    into: RepositoryName | None = None,
    *,
    told: Callable[[int], None] | None = None,
    before: Callable[[], Awaitable[None]] | None = None,
) -> Imported:
    """Push what a layout's index names: all `into` one repository, or each where its name says.

    What the registry's rules or admissions refuse, or is damaged, is among the failures; the
    rest is pushed. `told` hears of bytes written. `before` each image it is asked whether to go
    on, and what it raises ends the import.

    Raises ArchiveError: if a tag would have to be two images.
    """
    plan = _planned(source, into)
    done = Imported(failures=plan.failures)
    pushes = [_Push(registry, source, name, done, told) for name in plan.repositories]
    for push in pushes:
        images = plan.repositories[push.name].values()
        for image in sorted(images, key=lambda image: bool(image.tags)):
            if before is not None:
                await before()
            await push.image(image)
    left = await _followed(source, plan.unnamed, pushes)
    done.failures += [f"{one.digest}: has no name; say in which --repository" for one in left]
    return done


def _planned(source: Source, into: RepositoryName | None) -> _Plan:
    plan = _Plan()
    tagged: dict[tuple[RepositoryName, Tag], str] = {}
    for descriptor in source.entries:
        try:
            repository, tag = parsed(named(descriptor.annotations or {}))
        except ProtocolError as error:
            plan.failures.append(f"{descriptor.digest}: {error}")
            continue
        name = into or repository
        if name is None:
            plan.unnamed.append(descriptor)
            continue
        image = plan.repositories.setdefault(name, {}).setdefault(
            descriptor.digest, _Image(descriptor)
        )
        if tag is None:
            continue
        if tagged.setdefault((name, tag), descriptor.digest) != descriptor.digest:
            raise ArchiveError(f"{source.name} has two images that would be {name}:{tag}")
        if tag not in image.tags:
            image.tags.append(tag)
    return plan


async def _followed(
    source: Source, waiting: list[Descriptor], pushes: list[_Push]
) -> list[Descriptor]:
    """Push what refers to something that was pushed, to where that is; gives the rest."""
    while True:
        left = [one for one in waiting if not await _follow(source, one, pushes)]
        if len(left) == len(waiting):
            return left
        waiting = left


async def _follow(source: Source, descriptor: Descriptor, pushes: list[_Push]) -> bool:
    subject = await _subject(source, descriptor)
    there = [push for push in pushes if subject in push.pushed]
    for push in there:
        await push.image(_Image(descriptor))
    return bool(there)


async def _subject(source: Source, descriptor: Descriptor) -> Digest | None:
    try:
        found = await source.manifest(descriptor)
    except _REFUSED:
        return None
    return found.subject if found is not None else None


class _Push:
    """What is pushed to one repository."""

    def __init__(
        self,
        registry: Registry,
        source: Source,
        name: RepositoryName,
        done: Imported,
        told: Callable[[int], None] | None,
    ) -> None:
        self.name = name
        self.pushed: set[Digest] = set()
        self._repository = registry.repository(name)
        self._source = source
        self._done = done
        self._told = told
        self._blobs: set[str] = set()

    async def image(self, image: _Image) -> None:
        """Push an entry of the index, or tell why it cannot be."""
        try:
            await self._manifest(image.descriptor, image.tags, 0)
        except _REFUSED as error:
            names = [f"{self.name}:{tag}" for tag in image.tags]
            shown = ", ".join(names) or f"{self.name}@{image.descriptor.digest}"
            self._done.failures.append(f"{shown}: {_told(error)}")
        else:
            self._done.names += max(1, len(image.tags))

    async def _manifest(self, descriptor: Descriptor, tags: list[Tag], depth: int) -> None:
        digest = Digest.parse(descriptor.digest)
        if digest in self.pushed and not tags:
            return
        if depth > DEEPEST:
            raise ContentError(f"{digest} is nested deeper than {DEEPEST} manifests")
        found = await self._found(descriptor)
        for child in found.manifests:
            if await self._source.size(Digest.parse(child.digest)) is not None:
                await self._manifest(child, [], depth + 1)
        blobs = {blob.digest: blob for blob in found.blobs}  # the same layer may come twice
        await each(self._blob, blobs.values(), WIDTH)
        await self._repository.manifests.put(digest, found.content, found.media_type, tags)
        self.pushed.add(digest)

    async def _found(self, descriptor: Descriptor) -> Manifest:
        found = await self._source.manifest(descriptor)
        if found is not None:
            return found
        try:
            return await self._repository.manifests.get(Digest.parse(descriptor.digest))
        except ManifestUnknownError:
            raise ContentError(f"{descriptor.digest}: {_EARLIER}") from None

    async def _blob(self, descriptor: Descriptor) -> None:
        if descriptor.digest in self._blobs or await self._is_there(descriptor):
            self._blobs.add(descriptor.digest)
            return
        digest = Digest.parse(descriptor.digest)
        size = await self._source.size(digest)
        if size is None:
            if descriptor.elsewhere:
                return
            raise ContentError(f"{digest}: {_EARLIER}")
        if size != descriptor.size:
            raise ContentError(f"{digest} has {size} bytes and not {descriptor.size}, as it says")
        async with aclosing(self._chunks(digest)) as chunks:
            await self._repository.blobs.put(digest, chunks)
        self._blobs.add(descriptor.digest)
        self._done.written += 1
        self._done.size += size

    async def _is_there(self, descriptor: Descriptor) -> bool:
        """Whether the repository has the blob, or does now because another one had it."""
        blobs, digest = self._repository.blobs, Digest.parse(descriptor.digest)
        try:
            found = await blobs.find(digest)
        except BlobUnknownError:
            mounted = await blobs.mount(digest, None)
            return mounted is not None and mounted.size == descriptor.size
        return found.size == descriptor.size

    async def _chunks(self, digest: Digest) -> AsyncGenerator[bytes, None]:
        async with aclosing(self._source.read(digest)) as chunks:
            async for chunk in chunks:
                if self._told is not None:
                    self._told(len(chunk))
                yield chunk


def _told(error: Exception) -> str:
    """What is refused, with what of a manifest is missing."""
    missing = error.missing if isinstance(error, ManifestBlobUnknownError) else ()
    return f"{error}: {missing[0]}" if missing else str(error)
