"""What is remembered never makes a wrong answer, whatever happened in the store meanwhile."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

import pytest
from tests.core.stores import CONFIG, NAME, chunks, image, read_blob
from tests.core.test_cache_descriptors import Clock, Shared
from tests.core.testing.dictionary import DictionaryDriver, Stored

from entrepot.core import layout
from entrepot.core.descriptors import LINK_SECONDS, Descriptors
from entrepot.core.errors import (
    BlobUnknownError,
    ManifestBlobUnknownError,
    ManifestUnknownError,
    UnavailableError,
)
from entrepot.core.guard import GuardedDriver
from entrepot.core.names import Digest, Tag
from entrepot.core.registry import Registry, Repository, Rules, open_registry

pytestmark = pytest.mark.anyio

SMALL = b"small" * 100
LARGE = b"large" * 100_000
RULES = Rules(largest_cached_blob=1024)


@dataclass
class Caching:
    """A registry that remembers, its store, and what it asked of that."""

    registry: Registry
    store: dict[str, Stored]
    clock: Clock
    shared: Shared

    @property
    def repository(self) -> Repository:
        return self.registry.repository(NAME)

    @property
    def asked(self) -> int:
        """Requests that the store has got so far."""
        assert isinstance(self.registry.driver, GuardedDriver)
        statistics = self.registry.driver.statistics
        return statistics.stat.calls + statistics.read.calls

    async def push(self, content: bytes) -> Digest:
        digest = Digest.of(content)
        await self.repository.blobs.put(digest, chunks(content))
        return digest

    async def costs(self, digest: Digest) -> int:
        """Requests to the store that a pull takes."""
        before = self.asked
        content = await read_blob(self.repository, digest)
        assert Digest.of(content) == digest
        return self.asked - before


async def open_caching(
    store: dict[str, Stored], shared: Shared, most: int = 100
) -> AsyncGenerator[Caching, None]:
    clock = Clock()
    known = Descriptors(most, shared, clock=clock)
    async with open_registry(DictionaryDriver(store), RULES, descriptors=known) as registry:
        yield Caching(registry, store, clock, shared)


@pytest.fixture
def store() -> dict[str, Stored]:
    return {}


@pytest.fixture
def shared() -> Shared:
    return Shared()


@pytest.fixture
async def caching(store: dict[str, Stored], shared: Shared) -> AsyncGenerator[Caching, None]:
    async with aclosing(open_caching(store, shared)) as opened:
        yield await anext(opened)


@pytest.fixture
async def replica(store: dict[str, Stored], shared: Shared) -> AsyncGenerator[Caching, None]:
    """Another process over the same store and the same shared sizes."""
    async with aclosing(open_caching(store, shared)) as opened:
        yield await anext(opened)


async def test_second_pull_asks_for_nothing_that_was_seen(caching: Caching) -> None:
    small, large = await caching.push(SMALL), await caching.push(LARGE)

    assert [await caching.costs(small), await caching.costs(large)] == [3, 3]
    assert [await caching.costs(small), await caching.costs(large)] == [0, 1]
    caching.clock.now += LINK_SECONDS
    assert [await caching.costs(small), await caching.costs(large)] == [1, 2]


async def test_without_a_cache_every_pull_looks_for_the_link(
    store: dict[str, Stored], shared: Shared
) -> None:
    async with aclosing(open_caching(store, shared, most=0)) as opened:
        caching = await anext(opened)
        small, large = await caching.push(SMALL), await caching.push(LARGE)

        for expected in ([3, 3], [1, 3]):
            assert [await caching.costs(small), await caching.costs(large)] == expected
        assert not shared.held


async def test_push_is_never_told_to_skip_what_is_gone(caching: Caching) -> None:
    """The complaint about Distribution: pushes that fail until the registry is restarted."""
    digest = await caching.push(SMALL)
    await caching.costs(digest)

    del caching.store[layout.blob(digest)]

    with pytest.raises(BlobUnknownError):
        await caching.repository.blobs.find(digest)
    assert not await caching.repository.blobs.has(digest)
    assert await caching.repository.blobs.mount(digest, NAME) is None
    await caching.push(CONFIG)
    with pytest.raises(ManifestBlobUnknownError):
        await caching.repository.manifests.put(Tag("1"), image([SMALL]), None)
    await caching.push(SMALL)
    await caching.repository.manifests.put(Tag("1"), image([SMALL]), None)


@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
async def test_bytes_that_are_gone_are_unknown_and_healed_by_a_push(
    caching: Caching, replica: Caching, content: bytes
) -> None:
    digest = await caching.push(content)
    await replica.repository.blobs.look(digest)  # remembers link and size, and reads nothing
    del caching.store[layout.blob(digest)]

    with pytest.raises(BlobUnknownError):
        await read_blob(replica.repository, digest)
    with pytest.raises(BlobUnknownError):
        await replica.repository.blobs.look(digest)
    await caching.push(content)
    assert await read_blob(replica.repository, digest) == content


async def test_deletion_takes_effect_at_once_here_and_soon_elsewhere(
    caching: Caching, replica: Caching
) -> None:
    digest = await caching.push(LARGE)
    for each in (caching, replica):
        await each.costs(digest)

    await caching.repository.blobs.delete(digest)

    with pytest.raises(BlobUnknownError):
        await caching.repository.blobs.look(digest)
    replica.clock.now += LINK_SECONDS
    with pytest.raises(BlobUnknownError):
        await replica.repository.blobs.look(digest)


async def test_question_of_a_push_corrects_what_is_remembered(
    caching: Caching, replica: Caching
) -> None:
    digest = await caching.push(LARGE)
    await replica.costs(digest)
    await caching.repository.blobs.delete(digest)

    with pytest.raises(BlobUnknownError):
        await replica.repository.blobs.find(digest)
    with pytest.raises(BlobUnknownError):
        await replica.repository.blobs.look(digest)


async def test_link_is_for_one_repository(caching: Caching) -> None:
    digest = await caching.push(SMALL)
    await caching.costs(digest)
    other = caching.registry.repository(type(NAME).parse("other/app"))

    with pytest.raises(BlobUnknownError):
        await other.blobs.look(digest)


async def test_manifest_that_is_asked_for_before_a_push_is_looked_for(
    caching: Caching, replica: Caching
) -> None:
    for content in (CONFIG, SMALL):
        await caching.push(content)
    manifests = replica.repository.manifests
    put = await caching.repository.manifests.put(Tag("1"), image([SMALL]), None)
    await manifests.get(put.digest)
    await manifests.get(put.digest)
    before = replica.asked
    await manifests.get(put.digest)
    assert replica.asked == before

    await caching.repository.manifests.delete(put.digest)

    with pytest.raises(ManifestUnknownError):
        await caching.repository.manifests.get(put.digest)
    with pytest.raises(ManifestUnknownError):
        await manifests.get(Tag("1"))
    with pytest.raises(ManifestUnknownError):
        await manifests.get(put.digest, afresh=True)
    with pytest.raises(ManifestUnknownError):
        await manifests.get(put.digest)


@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("said", [0, 7, 500, 1024, 1025, 499_999, 500_001, 10**12])
async def test_wrong_size_in_a_shared_cache_makes_no_other_content(
    caching: Caching, replica: Caching, content: bytes, said: int
) -> None:
    digest = await caching.push(content)
    replica.shared.held[digest.hex] = said

    try:
        first = await read_blob(replica.repository, digest)
    except UnavailableError:  # what the client got so far is cut off: told, and over
        first = content

    assert first == content
    assert await read_blob(replica.repository, digest) == content
    assert replica.shared.held[digest.hex] == len(content)


async def test_part_of_a_blob_is_cut_from_its_true_size(caching: Caching, replica: Caching) -> None:
    digest = await caching.push(LARGE)
    replica.shared.held[digest.hex] = 2000

    blob = await replica.repository.blobs.prove(await replica.repository.blobs.look(digest))

    assert blob.size == len(LARGE)
    assert replica.shared.held[digest.hex] == len(LARGE)


async def test_size_of_others_saves_asking(caching: Caching, replica: Caching) -> None:
    digest = await caching.push(LARGE)
    await caching.costs(digest)

    assert await replica.costs(digest) == 2
