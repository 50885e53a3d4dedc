"""Deletion of a whole repository while registries serve.

In an order in which whoever dies leaves no tag that points to nothing, and in which the next one
goes on: tags, manifests, the index of referrers, links to blobs, uploads, whatever else is in the
repository's own folders. Bytes are left to garbage collection.

What is pushed meanwhile counts as pushed afterwards. Its push may rely on what the deletion took
away a moment later, so `mend` gives that back: at once, and when no such push can be under way.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass

from entrepot.core import inventory, layout, manifest
from entrepot.core.driver import Driver, Entry
from entrepot.core.errors import ManifestInvalidError, NameUnknownError, NotFoundError
from entrepot.core.listing import children
from entrepot.core.names import Digest, RepositoryName
from entrepot.core.purging import uploads_of
from entrepot.core.registry import Registry, Repository
from entrepot.core.streams import gather

_BATCH = 1000  # keys
_CURRENT = "/current/link"


@dataclass(frozen=True, slots=True)
class Content:
    """How much a repository holds; `links` are those to blobs."""

    tags: int
    manifests: int
    links: int
    uploads: int


async def content_of(driver: Driver, name: RepositoryName) -> Content:
    """Costs listing the repository, and reading its tags.

    Raises NameUnknownError: if there is nothing of it.
    """
    if not [folder async for folder in _folders(driver, name)]:
        raise NameUnknownError(f"no repository {name}", detail={"name": name.text})
    return Content(
        await _count(_whole_tags(driver, name)),
        await _count(inventory.revisions(driver, name)),
        await _count(inventory.layer_links(driver, name)),
        await _count(uploads_of(driver, name)),
    )


async def delete_repository(
    registry: Registry, name: RepositoryName, advance: Callable[[int], None] = lambda _: None
) -> None:
    """Remove all that is in the repository's folders, but not the repositories below its name.

    `advance` hears of the objects that are gone. To be followed by `mend`.

    Raises DeniedError: if a tag is immutable and not deletable, before anything is removed;
    StorageError.
    """
    driver, repository = registry.driver, registry.repository(name)
    async with aclosing(inventory.tags(driver, name)) as tags:
        async for tag, _ in tags:
            repository.tags.check_deletable(tag)
    await _remove(driver, layout.tags(name), advance, lambda key: key.endswith(_CURRENT))
    await _remove(driver, layout.tags(name), advance, lambda key: not key.endswith(_CURRENT))
    await _remove_manifests(registry, name, advance)
    async with aclosing(uploads_of(driver, name)) as uploads:
        async for upload in uploads:
            await repository.uploads.session(upload.id).cancel()
            advance(1)
    for folder in [folder async for folder in _folders(driver, name)]:
        if folder != "_manifests":  # what is there now was pushed meanwhile
            await _remove(driver, f"{layout.repository(name)}{folder}/", advance)


async def mend(registry: Registry, name: RepositoryName) -> int:
    """Give what was pushed beside a deletion all that it needs; gives the manifests' number.

    The registry must not verify references, which is what is missing.
    """
    found: dict[Digest, None] = {}
    async with aclosing(_whole_tags(registry.driver, name)) as digests:
        found.update({digest: None async for digest in digests})
    async with aclosing(inventory.revisions(registry.driver, name)) as revisions:
        found.update({item.digest: None async for item in revisions})
    seen = set[Digest]()
    for digest in found:
        await _mend(registry, registry.repository(name), digest, seen)
    return len(seen)


async def _mend(
    registry: Registry, repository: Repository, digest: Digest, seen: set[Digest]
) -> None:
    """A manifest whose bytes are there, with its children and links to its blobs."""
    if digest in seen:
        return
    seen.add(digest)
    try:
        content = await gather(registry.driver, layout.blob(digest), manifest.LIMIT)
        found = manifest.read(content, digest)
    except (NotFoundError, ManifestInvalidError):
        return
    for descriptor in found.blobs:
        blob = Digest.parse(descriptor.digest)
        if not descriptor.elsewhere and not await repository.blobs.has(blob):
            await repository.blobs.mount(blob, None)
    for descriptor in found.manifests:
        await _mend(registry, repository, Digest.parse(descriptor.digest), seen)
    await repository.manifests.put(digest, content, found.media_type)


async def _remove_manifests(
    registry: Registry, name: RepositoryName, advance: Callable[[int], None]
) -> None:
    """The links to manifests; those that tags point to now were pushed meanwhile, and stay."""
    async with aclosing(_whole_tags(registry.driver, name)) as digests:
        kept = {layout.revision_link(name, digest) async for digest in digests}
    await _remove(registry.driver, layout.revisions(name), advance, lambda key: key not in kept)


async def _remove(
    driver: Driver,
    prefix: str,
    advance: Callable[[int], None],
    wanted: Callable[[str], bool] = lambda _: True,
) -> None:
    batch: list[str] = []
    async with aclosing(driver.scan(prefix)) as entries:
        async for entry in entries:
            if isinstance(entry, Entry) and wanted(entry.key):
                batch.append(entry.key)
            if len(batch) == _BATCH:
                await driver.delete(batch)
                advance(len(batch))
                batch = []
    await driver.delete(batch)
    advance(len(batch))


async def _whole_tags(driver: Driver, name: RepositoryName) -> AsyncGenerator[Digest, None]:
    """What the repository's tags point to."""
    async with aclosing(inventory.tags(driver, name)) as tags:
        async for _, digest in tags:
            if digest is not None:
                yield digest


async def _count(items: AsyncGenerator[object, None]) -> int:
    number = 0
    async with aclosing(items):
        async for _ in items:
            number += 1
    return number


async def _folders(driver: Driver, name: RepositoryName) -> AsyncGenerator[str, None]:
    """The repository's own folders; the others are those of repositories below its name."""
    async with aclosing(children(driver, layout.repository(name))) as folders:
        async for folder in folders:
            if folder.startswith("_"):
                yield folder
