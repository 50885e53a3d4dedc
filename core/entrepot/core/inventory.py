"""What a store holds, as its keys say: for maintenance, which must see what no request asks for.

Listings only; nothing is read except tags. Whatever has no place in the layout is passed over,
because a store may hold a stranger's objects, too.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from entrepot.core import layout
from entrepot.core.concurrency import WIDTH, each
from entrepot.core.driver import Driver, Entry
from entrepot.core.errors import DigestInvalidError, NameInvalidError, TagInvalidError
from entrepot.core.links import read_link
from entrepot.core.listing import children
from entrepot.core.names import Digest, RepositoryName, Tag


@dataclass(frozen=True, slots=True)
class Item:
    """A link of a repository or a blob: `digest` is what its key says.

    `modified` is in seconds since the epoch, `size` in bytes.
    """

    key: str
    digest: Digest
    size: int
    modified: float


async def repositories(
    driver: Driver, *folders: str, after: str = ""
) -> AsyncGenerator[RepositoryName, None]:
    """Repositories that have one of these folders (`_layers`, `_manifests` …), without: any.

    The order is that of the catalogue, so a walk can go on `after` a name. A folder that is no
    repository's name is passed over. Costs a listing for each folder of names, some
    at a time.
    """
    async with aclosing(_folders(driver, after)) as found:
        async for name, own in found:
            if own.intersection(folders) if folders else own:
                yield name


async def _folders(
    driver: Driver, after: str
) -> AsyncGenerator[tuple[RepositoryName, set[str]], None]:
    """Names in order, each with its folders that begin with `_`.

    The folders that come next are being listed meanwhile.
    """
    waiting = [""]  # paths, the next one last
    begun: dict[str, asyncio.Task[list[str]]] = {}
    try:
        while waiting:
            for path in waiting[-WIDTH:]:
                if path not in begun:
                    begun[path] = asyncio.create_task(_names(driver, path))
            path = waiting.pop()
            names = await begun.pop(path)
            own = {name for name in names if name.startswith("_")}
            repository = _name(path[:-1])
            if repository is not None and own and _place(repository.text) > _place(after):
                yield repository, own
            deeper = [f"{path}{name}" for name in names if name not in own]
            waiting += [f"{each}/" for each in reversed(deeper) if not _is_passed(each, after)]
    finally:
        for task in begun.values():
            task.cancel()
        await asyncio.gather(*begun.values(), return_exceptions=True)


async def _names(driver: Driver, path: str) -> list[str]:
    async with aclosing(children(driver, layout.REPOSITORIES + path)) as names:
        return [name async for name in names]


def _place(name: str) -> list[str]:
    return name.split("/") if name else []


def _is_passed(path: str, after: str) -> bool:
    """Whether all names at and below a path come before `after`."""
    here, there = _place(path), _place(after)
    return here < there[: len(here)]


def _name(path: str) -> RepositoryName | None:
    try:
        return RepositoryName.parse(path)
    except NameInvalidError:
        return None


def layer_links(driver: Driver, name: RepositoryName) -> AsyncGenerator[Item, None]:
    """The repository's links to blobs."""
    return _links(driver, layout.layers(name))


def revisions(driver: Driver, name: RepositoryName) -> AsyncGenerator[Item, None]:
    """The repository's links to manifests."""
    return _links(driver, layout.revisions(name))


async def tags(
    driver: Driver, name: RepositoryName, width: int = WIDTH
) -> AsyncGenerator[tuple[Tag, Digest | None], None]:
    """The repository's tags in byte order, and what each points to.

    None: its link is damaged, or absent because a deletion or a first push broke off.
    """
    batch: list[Tag] = []

    async def find(tag: Tag) -> Digest | None:
        return await read_link(driver, layout.tag_link(name, tag))

    async with aclosing(children(driver, layout.tags(name))) as found:
        async for text in found:
            try:
                batch.append(Tag.parse(text))
            except TagInvalidError:
                continue
            if len(batch) == 4 * width:
                for pair in zip(batch, await each(find, batch, width), strict=True):
                    yield pair
                batch = []
    for pair in zip(batch, await each(find, batch, width), strict=True):
        yield pair


async def blobs(driver: Driver, after: str = "", algorithm: str = "") -> AsyncGenerator[Item, None]:
    """Blobs past a key in the keys' order, which is the digests'; of one algorithm or all."""
    prefix = f"{layout.BLOBS}{algorithm}/" if algorithm else layout.BLOBS
    async with aclosing(driver.scan(prefix, after=after)) as entries:
        async for entry in entries:
            if isinstance(entry, Entry) and (digest := layout.digest_of_blob(entry.key)):
                yield Item(entry.key, digest, entry.size, entry.modified)


async def _links(driver: Driver, prefix: str) -> AsyncGenerator[Item, None]:
    async with aclosing(driver.scan(prefix)) as entries:
        async for entry in entries:
            if not isinstance(entry, Entry):
                continue
            parts = entry.key[len(prefix) :].split("/")
            if len(parts) == 3 and parts[2] == "link":
                try:
                    digest = Digest.parse(f"{parts[0]}:{parts[1]}")
                except DigestInvalidError:
                    continue
                yield Item(entry.key, digest, entry.size, entry.modified)
