"""Collections while no registry writes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest
from tests.core.collecting.clocked import (
    HOUR,
    Clock,
    ClockedDriver,
    Interruption,
    collect,
    push,
    replica,
)
from tests.core.stores import NAME, image, keys

from entrepot.core import layout
from entrepot.core.collecting import offline, runs
from entrepot.core.errors import AccessError, DeleteError, StorageError, UnavailableError
from entrepot.core.names import Digest, Tag
from entrepot.core.registry import Repository
from entrepot.core.testing import Fault, FaultyDriver

pytestmark = pytest.mark.anyio

LAYER, OTHER = b"layer", b"other layer"
IMAGE = image([LAYER])
DIGEST = Digest.of(IMAGE)
REVISION, LINK = layout.revision_link(NAME, DIGEST), layout.layer_link(NAME, Digest.of(LAYER))


@pytest.fixture
async def repository(driver: ClockedDriver, clock: Clock) -> AsyncGenerator[Repository, None]:
    """With an image that nothing leads to, of two hours ago."""
    async with replica(driver, clock) as registry:
        found = registry.repository(NAME)
        await push(found, None, IMAGE, LAYER)
        clock.now += 2 * HOUR
        yield found


def below(found: list[str], prefix: str) -> list[str]:
    return [key for key in found if key.startswith(prefix)]


@pytest.mark.usefixtures("repository")
async def test_nothing_is_written_but_to_learn_the_time(
    driver: ClockedDriver, clock: Clock
) -> None:
    written = Fault("write", UnavailableError("", "not now"), keys=f"{runs.ROOT}runs/*")
    published = Fault("write", UnavailableError("", "not now"), keys=f"{runs.CURRENT}*")

    done = await collect(
        FaultyDriver(driver, written, published), clock, untagged=True, is_offline=True
    )

    assert done.run
    assert done.deleted == {"revision": 1, "layer": 2, "blob": 3}
    assert await keys(driver) == []


async def test_many_go_batch_by_batch(
    repository: Repository,
    driver: ClockedDriver,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(offline, "_BATCH", 2)
    await push(repository, Tag("t"), image([OTHER]), OTHER)
    clock.now += 1
    before = len(await keys(driver))

    done = await collect(driver, clock, untagged=True, is_offline=True)

    assert done.deleted == {"revision": 1, "layer": 1, "blob": 2}  # the config is the other's, too
    assert before - len(await keys(driver)) == 4


@pytest.mark.usefixtures("repository")
async def test_without_garbage_nothing_is_done(driver: ClockedDriver, clock: Clock) -> None:
    before = await keys(driver)

    done = await collect(driver, clock, is_offline=True)

    assert (done.run, sum(done.deleted.values())) == ("", 0)
    assert await keys(driver) == before


@pytest.mark.usefixtures("repository")
async def test_mark_that_fails_deletes_nothing(driver: ClockedDriver, clock: Clock) -> None:
    before = await keys(driver)
    torn = Fault("scan", UnavailableError("", "not now"), keys=f"{layout.BLOBS}*")

    with pytest.raises(UnavailableError):
        await collect(FaultyDriver(driver, torn), clock, untagged=True, is_offline=True)

    assert await keys(driver) == before


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize("kind", ["revisions", "_layers", "/data"])
async def test_killed_it_leaves_nothing_that_points_to_nothing(
    driver: ClockedDriver, clock: Clock, kind: str
) -> None:
    dying = FaultyDriver(driver, Fault("delete", Interruption(), keys=f"*{kind}*"))

    with pytest.raises(Interruption):
        await collect(dying, clock, untagged=True, is_offline=True)

    left = await keys(driver)
    assert len(below(left, layout.BLOBS)) == 3
    assert (len(below(left, layout.layers(NAME))) == 2) == (kind != "/data")
    assert (REVISION in left) == (kind == "revisions")
    await collect(driver, clock, untagged=True, is_offline=True)
    assert await keys(driver) == []


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize("is_told", [True, False])
async def test_what_cannot_be_deleted_keeps_what_it_leads_to(
    driver: ClockedDriver, clock: Clock, is_told: bool
) -> None:
    def failure(key: str) -> StorageError:
        reason = AccessError(key, "it belongs to somebody else")
        return DeleteError({key: reason}) if is_told else reason

    stuck = FaultyDriver(driver, Fault("delete", failure(REVISION), keys=REVISION, times=1))
    done = await collect(stuck, clock, untagged=True, is_offline=True)
    assert (done.failed, sum(done.deleted.values())) == (1, 0)

    stuck = FaultyDriver(driver, Fault("delete", failure(LINK), keys=LINK, times=1))
    done = await collect(stuck, clock, untagged=True, is_offline=True)
    assert done.failed == (1 if is_told else 2)
    assert layout.blob(Digest.of(LAYER)) in await keys(driver)
    assert layout.blob(DIGEST) not in await keys(driver)

    await collect(driver, clock, untagged=True, is_offline=True)
    assert await keys(driver) == []


async def test_several_at_once_delete_the_same(
    repository: Repository, driver: ClockedDriver, clock: Clock
) -> None:
    await push(repository, Tag("t"), image([OTHER]), OTHER)
    clock.now += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(collect(driver, clock, untagged=True, is_offline=True))

    left = await keys(driver)
    assert len(below(left, layout.BLOBS)) == 3
    assert REVISION not in left
    assert await repository.manifests.get(Tag("t"))
