"""Stores and archives that the tests of exports and imports begin with."""

from __future__ import annotations

from contextlib import aclosing
from pathlib import Path
from typing import Any

from tests.core.stores import CONFIG, chunks, described, image, index, keys

from entrepot.core.archiving import (
    Exported,
    Imported,
    Selection,
    export,
    import_from,
    open_source,
    open_target,
)
from entrepot.core.archiving.layouts import index_of, mark, path_of
from entrepot.core.archiving.names import REF_NAME
from entrepot.core.driver import Driver
from entrepot.core.manifest import OCI_MANIFEST, Descriptor
from entrepot.core.names import Digest, RepositoryName, Tag
from entrepot.core.registry import Registry

APP, OTHER = RepositoryName("team/app"), RepositoryName("other")
LAYERS = [b"first layer", b"second" * 1000]


async def push(
    registry: Registry,
    name: RepositoryName,
    manifest: bytes,
    *tags: str,
    blobs: list[bytes] = LAYERS,
) -> Digest:
    repository = registry.repository(name)
    for content in (CONFIG, *blobs):
        await repository.blobs.put(Digest.of(content), chunks(content))
    digest = Digest.of(manifest)
    await repository.manifests.put(digest, manifest, None, [Tag(tag) for tag in tags])
    return digest


async def out(registry: Registry, path: Path, *wanted: str, since: Path | None = None) -> Exported:
    selections = [Selection.parse(text) for text in wanted or ["**"]]
    async with open_target(path) as target:
        if since is None:
            return await export(registry, selections, target)
        with open_source(since, index_alone=True) as earlier:
            return await export(registry, selections, target, earlier)


async def into(registry: Registry, path: Path, name: RepositoryName | None = None) -> Imported:
    with open_source(path) as source:
        return await import_from(registry, source, name)


async def contents(driver: Driver) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for key in await keys(driver, "docker/"):
        async with aclosing(driver.read(key)) as read:
            found[key] = b"".join([chunk async for chunk in read])
    return found


async def fill(registry: Registry) -> None:
    """Two repositories that share layers, with an index, a referrer of its child, and one of
    that.
    """
    child = image(LAYERS)
    await push(registry, APP, child)
    await push(registry, APP, index([child]), "1", "latest")
    signature = image(subject=described(child, OCI_MANIFEST))
    await push(registry, APP, signature)
    await push(registry, APP, image(subject=described(signature, OCI_MANIFEST)))
    await push(registry, OTHER, image(LAYERS[:1]), "1", blobs=LAYERS[:1])


def files_in(path: Path) -> list[str]:
    return [one.name for one in path.rglob("*") if one.is_file()]


def index_in(path: Path) -> list[Descriptor]:
    with open_source(path) as source:
        return source.entries


def layout_of(
    folder: Path, entries: list[dict[str, Any]], *contents: bytes, damage: bytes = b""
) -> Path:
    found = [Descriptor.model_validate(entry) for entry in entries]
    for name, content in (("oci-layout", mark()), ("index.json", index_of(found))):
        folder.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    for content in contents:
        file = folder / path_of(Digest.of(content))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content + damage)
    return folder


def entry(content: bytes, name: str = "", media_type: str = OCI_MANIFEST) -> dict[str, Any]:
    return described(content, media_type) | ({"annotations": {REF_NAME: name}} if name else {})
