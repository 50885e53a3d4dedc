"""Registries over stores in memory, and what tests keep in them."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import Any

from tests.core.testing.dictionary import DictionaryDriver

from entrepot.core.driver import Driver
from entrepot.core.manifest import OCI_INDEX, OCI_MANIFEST
from entrepot.core.names import Digest, RepositoryName, Tag, UploadId
from entrepot.core.plugins import load_plugins
from entrepot.core.registry import Registry, Repository, Rules, open_registry
from entrepot.core.streams import once

NAME = RepositoryName.parse("team/app")
CONFIG = b"{}"
_PLUGINS = load_plugins()


@asynccontextmanager
async def open_memory() -> AsyncGenerator[Driver, None]:
    """The driver that keeps everything in memory, empty."""
    registered = _PLUGINS.driver("inmemory")
    async with registered.open(registered.options()) as driver:
        yield driver


@asynccontextmanager
async def open_dictionary() -> AsyncGenerator[Driver, None]:
    """A driver that stages uploads as objects, empty."""
    yield DictionaryDriver({})


STORES: dict[str, Callable[[], AbstractAsyncContextManager[Driver]]] = {
    "memory": open_memory,
    "staged": open_dictionary,
}
"""One driver with its own way to append, one without."""


@asynccontextmanager
async def open_repository(
    driver: Driver | None = None, rules: Rules | None = None
) -> AsyncGenerator[Repository, None]:
    """The repository `NAME` of a registry of its own; without a driver, over a dictionary."""
    async with open_registry(driver or DictionaryDriver({}), rules or Rules()) as registry:
        yield registry.repository(NAME)


async def chunks(*parts: bytes) -> AsyncGenerator[bytes, None]:
    for part in parts:
        yield part


async def put(driver: Driver, key: str, content: bytes = b"x") -> None:
    """Put an object where a test needs one, past the registry."""
    await driver.write(key, once(content))


async def keys(driver: Driver, prefix: str = "") -> list[str]:
    async with aclosing(driver.scan(prefix)) as entries:
        return [entry.key async for entry in entries]


async def upload(repository: Repository, *parts: bytes, algorithm: str = "sha256") -> UploadId:
    """An upload that holds these parts."""
    session = await repository.uploads.start(algorithm)
    for part in parts:
        await session.append(chunks(part))
    return session.id


async def read_blob(repository: Repository, digest: Digest) -> bytes:
    """A blob as it is sent. Raises BlobUnknownError."""
    blob = await repository.blobs.get(digest)
    if blob.content is not None:
        return blob.content
    async with aclosing(repository.blobs.read(blob, 0, blob.size)) as content:
        return b"".join([chunk async for chunk in content])


def described(content: bytes, media_type: str, algorithm: str = "sha256") -> dict[str, Any]:
    return {
        "mediaType": media_type,
        "digest": str(Digest.of(content, algorithm)),
        "size": len(content),
    }


def image(layers: Iterable[bytes] = (), /, **more: Any) -> bytes:
    """An image manifest of these layers over `CONFIG`."""
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": described(CONFIG, "application/vnd.oci.image.config.v1+json"),
        "layers": [described(layer, "application/vnd.oci.image.layer.v1.tar") for layer in layers],
    }
    return json.dumps(document | more).encode()


def index(children: Iterable[bytes] = (), /, **more: Any) -> bytes:
    """An index of these image manifests."""
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [described(child, OCI_MANIFEST) for child in children],
    }
    return json.dumps(document | more).encode()


async def verify(registry: Registry, name: RepositoryName) -> dict[str, Digest]:
    """Read all that the repository's tags need and hash it; gives what the tags point to."""
    repository = registry.repository(name)
    found: dict[str, Digest] = {}
    for tag in (await repository.tags.page()).names:
        manifest = await repository.manifests.get(Tag(tag))
        found[tag] = manifest.digest
        assert Digest.of(manifest.content, manifest.digest.algorithm) == manifest.digest
        for descriptor in manifest.blobs:
            digest = Digest.parse(descriptor.digest)
            assert Digest.of(await read_blob(repository, digest), digest.algorithm) == digest
    return found
