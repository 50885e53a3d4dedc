"""Collections beside pushes, step by step, on a clock of their own."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import pytest
from tests.core.collecting.clocked import (
    HOUR,
    Clock,
    ClockedDriver,
    Interruption,
    collect,
    push,
    push_blobs,
    replica,
)
from tests.core.stores import CONFIG, NAME, chunks, image, index, keys, put, read_blob

from entrepot.core import layout
from entrepot.core.collecting import runs
from entrepot.core.collecting.collection import CollectionError, Options
from entrepot.core.collecting.collector import Collector
from entrepot.core.collecting.timing import DEAD, PATIENCE, SHORTEST_WAIT, VISIBLE
from entrepot.core.driver import Entry
from entrepot.core.errors import (
    BlobUnknownError,
    ManifestBlobUnknownError,
    ManifestUnknownError,
    UnavailableError,
)
from entrepot.core.manifest import OCI_MANIFEST
from entrepot.core.names import Digest, RepositoryName, Tag
from entrepot.core.registry import Registry, Repository
from entrepot.core.testing import Fault, FaultyDriver
from entrepot.core.testing.faults import Operation

pytestmark = pytest.mark.anyio

T = Tag("t")
LAYER, OTHER = b"layer", b"other layer"
IMAGE = image([LAYER])
DIGEST = Digest.of(IMAGE)
ELSEWHERE = RepositoryName("elsewhere")


@pytest.fixture
async def registry(driver: ClockedDriver, clock: Clock) -> AsyncGenerator[Registry, None]:
    async with replica(driver, clock) as registry:
        yield registry


@pytest.fixture
def repository(registry: Registry) -> Repository:
    return registry.repository(NAME)


async def condemn(driver: ClockedDriver, clock: Clock, **more: bool) -> None:
    """A run that is published, and whose collector is dead."""
    dying = FaultyDriver(driver, Fault("write", Interruption(), keys=f"{runs.ROOT}clocks/*", nth=4))
    with pytest.raises(Interruption):
        await collect(dying, clock, **more)
    assert await runs.current(driver)
    clock.now += 10


async def die_deleting(driver: ClockedDriver, clock: Clock, pattern: str, **more: bool) -> None:
    """A collector that dies in front of its first deletion of such keys."""
    clock.now += 3 * HOUR
    dying = FaultyDriver(driver, Fault("delete", Interruption(), keys=pattern))
    with pytest.raises(Interruption):
        await collect(dying, clock, **more)


async def assert_whole(registry: Registry, digest: Digest, *layers: bytes) -> None:
    repository = registry.repository(NAME)
    await repository.manifests.get(digest)
    for layer in (CONFIG, *layers):
        assert await read_blob(repository, Digest.of(layer)) == layer


async def test_garbage_goes_and_the_rest_stays(
    registry: Registry, repository: Repository, driver: ClockedDriver, clock: Clock
) -> None:
    await push(repository, T, IMAGE, LAYER)
    before = await keys(driver)
    gone = await push(repository, Tag("u"), image([OTHER]), OTHER)
    await repository.manifests.delete(gone)
    clock.now += 3 * HOUR

    done = await collect(driver, clock)

    assert await keys(driver) == before
    assert done.deleted == {"revision": 0, "layer": 1, "blob": 2}
    assert done.freed == len(OTHER) + len(image([OTHER]))
    assert (done.is_ended, done.failed, done.spared, done.rescued) == (True, 0, 0, 0)
    await assert_whole(registry, DIGEST, LAYER)
    assert (await collect(driver, clock)).plan is not None
    assert await keys(driver) == before


async def test_untagged_goes_only_when_asked_for(
    repository: Repository, driver: ClockedDriver, clock: Clock
) -> None:
    await push(repository, None, IMAGE, LAYER)
    before = await keys(driver)
    clock.now += 3 * HOUR

    await collect(driver, clock)
    assert await keys(driver) == before

    await collect(driver, clock, untagged=True)
    assert await keys(driver) == []


async def test_young_content_stays(
    repository: Repository, driver: ClockedDriver, clock: Clock
) -> None:
    await push_blobs(repository, LAYER)
    before = await keys(driver)

    done = await collect(driver, clock)

    assert await keys(driver) == before
    assert done.plan is not None
    assert done.plan.total == 0


async def test_offline_takes_what_is_young_and_waits_for_nothing(
    repository: Repository, driver: ClockedDriver, clock: Clock
) -> None:
    await push_blobs(repository, LAYER)
    clock.now += 1
    began = clock.now

    await collect(driver, clock, is_offline=True)

    assert await keys(driver) == []
    assert clock.now == began


@pytest.mark.parametrize("inability", ["exclusive_create", "collectable"])
async def test_online_is_refused_where_no_one_store_picks_a_winner(
    repository: Repository, driver: ClockedDriver, clock: Clock, inability: str
) -> None:
    await push_blobs(repository, LAYER)
    clock.now += 3 * HOUR
    setattr(driver, inability, False)

    with pytest.raises(CollectionError, match="--offline"):
        await collect(driver, clock)
    await collect(driver, clock, is_offline=True)

    assert await keys(driver) == []


async def test_wait_is_never_shorter_than_a_push_may_take(
    repository: Repository, driver: ClockedDriver, clock: Clock
) -> None:
    await push_blobs(repository, LAYER)
    clock.now += 3 * HOUR
    await condemn(driver, clock)
    published = (await runs.current(driver))[0][1]

    await Collector(driver, Options(grace=HOUR, wait=0.0), timing=clock.timing).collect()

    assert clock.now >= published + SHORTEST_WAIT
    assert await keys(driver) == []


# -- pushes that meet a run ---------------------------------------------------------------------


async def test_condemned_blob_is_served_and_yet_absent_for_a_push(
    repository: Repository, driver: ClockedDriver, clock: Clock
) -> None:
    await push_blobs(repository, LAYER)
    clock.now += 3 * HOUR
    await condemn(driver, clock)

    assert await read_blob(repository, Digest.of(LAYER)) == LAYER
    with pytest.raises(BlobUnknownError):
        await repository.blobs.find(Digest.of(LAYER))

    await push_blobs(repository, LAYER)
    assert (await repository.blobs.find(Digest.of(LAYER))).size == len(LAYER)
    await collect(driver, clock)
    assert await read_blob(repository, Digest.of(LAYER)) == LAYER


async def test_manifest_rescues_the_blobs_it_names(
    registry: Registry, repository: Repository, driver: ClockedDriver, clock: Clock
) -> None:
    await push_blobs(repository, LAYER)
    clock.now += 3 * HOUR
    await condemn(driver, clock)

    await repository.manifests.put(T, IMAGE, None)
    done = await collect(driver, clock)

    assert done.is_resumed
    assert sum(done.deleted.values()) == 0
    await assert_whole(registry, DIGEST, LAYER)


async def test_mount_rescues_the_blob(
    registry: Registry, repository: Repository, driver: ClockedDriver, clock: Clock
) -> None:
    await push_blobs(repository, LAYER)
    clock.now += 3 * HOUR
    await condemn(driver, clock)
    elsewhere = registry.repository(ELSEWHERE)

    assert await elsewhere.blobs.mount(Digest.of(LAYER), NAME) is not None
    await collect(driver, clock)

    assert await read_blob(elsewhere, Digest.of(LAYER)) == LAYER


async def test_index_rescues_its_children_and_what_is_attached_to_them(
    registry: Registry, repository: Repository, driver: ClockedDriver, clock: Clock
) -> None:
    await push(repository, None, IMAGE, LAYER)
    subject = {"mediaType": OCI_MANIFEST, "digest": str(DIGEST), "size": len(IMAGE)}
    signature = image([OTHER], subject=subject)
    await push(repository, None, signature, OTHER)
    clock.now += 3 * HOUR
    await condemn(driver, clock, untagged=True)

    await repository.manifests.put(T, index([IMAGE]), None)
    await collect(driver, clock)

    await assert_whole(registry, DIGEST, LAYER)
    await assert_whole(registry, Digest.of(signature), OTHER)
    assert len((await repository.referrers.page(DIGEST)).descriptors) == 1


async def test_referrer_rescues_its_subject(
    registry: Registry, repository: Repository, driver: ClockedDriver, clock: Clock
) -> None:
    await push(repository, None, IMAGE, LAYER)
    clock.now += 3 * HOUR
    await condemn(driver, clock, untagged=True)

    subject = {"mediaType": OCI_MANIFEST, "digest": str(DIGEST), "size": len(IMAGE)}
    await push(repository, T, image([OTHER], subject=subject), OTHER)
    await collect(driver, clock)

    await assert_whole(registry, DIGEST, LAYER)


async def test_push_that_does_not_know_of_the_run_is_seen_by_the_second_mark(
    registry: Registry, repository: Repository, driver: ClockedDriver, clock: Clock
) -> None:
    await push_blobs(repository, LAYER)
    clock.now += 3 * HOUR
    async with replica(driver, clock) as ignorant:
        await push_blobs(ignorant.repository(ELSEWHERE), b"so it looks for runs")
        now = clock.now
        await condemn(driver, clock)
        clock.now = now + VISIBLE
        await ignorant.repository(NAME).manifests.put(T, IMAGE, None)

    done = await collect(driver, clock)

    assert done.spared == 3
    await assert_whole(registry, DIGEST, LAYER)


async def test_slow_push_looks_again_and_is_refused_when_content_is_gone(
    repository: Repository, driver: ClockedDriver, clock: Clock
) -> None:
    await push_blobs(repository, LAYER)
    clock.now += 3 * HOUR

    class Slow(FaultyDriver):
        async def write(
            self, key: str, chunks: AsyncIterator[bytes], *, create: bool = False
        ) -> Entry:
            if key == layout.blob(DIGEST):
                await collect(driver, clock)
            return await super().write(key, chunks, create=create)

    async with replica(Slow(driver), clock) as slow:
        with pytest.raises(ManifestBlobUnknownError):
            await slow.repository(NAME).manifests.put(T, IMAGE, None)


async def test_slow_upload_looks_again_and_is_refused_when_its_bytes_are_gone(
    repository: Repository, driver: ClockedDriver, clock: Clock
) -> None:
    await push_blobs(repository, LAYER)
    clock.now += 3 * HOUR

    class Slow(FaultyDriver):
        async def write(
            self, key: str, chunks: AsyncIterator[bytes], *, create: bool = False
        ) -> Entry:
            entry = await super().write(key, chunks, create=create)
            if key == layout.blob(Digest.of(LAYER)):
                driver.store[key] = type(driver.store[key])(LAYER, clock.now - 2 * HOUR)
                await collect(driver, clock)
            return entry

    async with replica(Slow(driver), clock) as slow:
        blobs = slow.repository(NAME).blobs
        with pytest.raises(UnavailableError, match="push it again"):
            await blobs.put(Digest.of(LAYER), chunks(LAYER))
    await push_blobs(repository, LAYER)
    assert await read_blob(repository, Digest.of(LAYER)) == LAYER


# -- collectors that die ------------------------------------------------------------------------


async def test_run_is_gone_on_with_wherever_its_collector_dies(clock: Clock) -> None:
    """At every operation, before and after it; what is live stays, and the rest goes at last."""
    operations = 0
    while True:
        operations += 1
        driver = ClockedDriver(clock)
        async with replica(driver, clock) as registry:
            repository = registry.repository(NAME)
            await push(repository, T, IMAGE, LAYER)
            before = await keys(driver)
            await push(repository, None, image([OTHER]), OTHER)
            clock.now += 3 * HOUR
            dying = Dying(driver, operations)
            try:
                await collect(dying, clock, untagged=True)
            except Interruption:
                pass
            else:
                break
            await collect(driver, clock, untagged=True)
            clock.now += DEAD + 1
            await collect(driver, clock, untagged=True)
            await collect(driver, clock, untagged=True)
            clock.now += 8 * 24 * HOUR
            await collect(driver, clock, untagged=True)
            assert await keys(driver) == before, f"died at operation {operations}"
            await assert_whole(registry, DIGEST, LAYER)
    assert operations > 40


class Dying(FaultyDriver):
    """A driver whose process dies at an operation: nothing happens after it."""

    def __init__(self, driver: ClockedDriver, last: int) -> None:
        super().__init__(driver)
        self.last = last
        self.count = 0

    def call(self, operation: Operation, *names: str) -> Any:
        self.count += 1
        if self.count >= self.last:
            raise Interruption
        return super().call(operation, *names)


async def test_what_a_dead_collector_claimed_is_not_to_be_had_until_it_is_surely_dead(
    repository: Repository, driver: ClockedDriver, clock: Clock
) -> None:
    await push_blobs(repository, LAYER)
    await die_deleting(driver, clock, "*/blobs/*")
    clock.now += 10
    began = clock.now

    with pytest.raises(UnavailableError, match="deleting"):
        await push_blobs(repository, LAYER)
    assert clock.now - began >= PATIENCE
    with pytest.raises(BlobUnknownError):
        await repository.blobs.find(Digest.of(LAYER))

    clock.now += DEAD
    await push_blobs(repository, LAYER)
    await collect(driver, clock)
    assert await read_blob(repository, Digest.of(LAYER)) == LAYER


async def test_manifest_whose_claim_is_open_keeps_the_run_until_the_claim_is_old(
    repository: Repository, driver: ClockedDriver, clock: Clock
) -> None:
    await push(repository, None, IMAGE, LAYER)
    await die_deleting(driver, clock, "*/revisions/*", untagged=True)

    helped = await collect(driver, clock, untagged=True)
    assert helped.deleted["revision"] == 1
    assert not helped.is_ended
    with pytest.raises(ManifestUnknownError):
        await repository.manifests.get(DIGEST)

    clock.now += DEAD + 1
    ended = await collect(driver, clock, untagged=True)
    assert ended.is_ended
    assert await keys(driver) == []


async def test_failed_deletion_of_a_manifest_keeps_all_it_names(
    registry: Registry, repository: Repository, driver: ClockedDriver, clock: Clock
) -> None:
    await push(repository, None, IMAGE, LAYER)
    clock.now += 3 * HOUR
    down = Fault("delete", UnavailableError("", "down"), keys="*/revisions/*", times=None)

    done = await collect(FaultyDriver(driver, down), clock, untagged=True)

    assert done.failed == 1
    await assert_whole(registry, DIGEST, LAYER)


async def test_damaged_list_of_a_run_stops_it(
    repository: Repository, driver: ClockedDriver, clock: Clock
) -> None:
    await push_blobs(repository, LAYER)
    clock.now += 3 * HOUR
    await condemn(driver, clock)
    batch = next(key for key in await keys(driver) if "/condemned/" in key)
    await put(driver, batch, b'["layer", "../../x", "sha256:00", 0, ""]')
    before = await keys(driver)

    with pytest.raises(UnavailableError, match="damaged"):
        await collect(driver, clock)

    assert await keys(driver) == before


async def test_push_without_a_run_looks_once_in_five_seconds_and_a_pull_never(
    driver: ClockedDriver, clock: Clock
) -> None:
    counted = FaultyDriver(driver)
    async with replica(counted, clock) as registry:
        repository = registry.repository(NAME)
        for _ in range(20):
            await push(repository, T, IMAGE, LAYER)
        looks = [call for call in counted.calls if call[1].startswith(runs.ROOT)]
        assert looks == [("scan", runs.CURRENT)]
        clock.now += 6
        await repository.manifests.get(T)
        await read_blob(repository, Digest.of(LAYER))
        assert len([call for call in counted.calls if call[1].startswith(runs.ROOT)]) == 1
        await push(repository, T, IMAGE, LAYER)
        assert len([call for call in counted.calls if call[1].startswith(runs.ROOT)]) == 2
