"""Purging: uploads that nobody goes on with, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import UTC, datetime

import pytest
from tests.core.stores import NAME, chunks, keys, open_memory, put

from entrepot.core import layout
from entrepot.core.driver import Driver
from entrepot.core.errors import BlobUploadUnknownError, UnavailableError
from entrepot.core.names import RepositoryName, UploadId
from entrepot.core.purging import OpenUpload, Purged, open_uploads, purge
from entrepot.core.registry import Registry, Rules, open_registry
from entrepot.core.testing import Fault, FaultyDriver
from entrepot.core.turns import take_turn

pytestmark = pytest.mark.anyio

HOUR = 3600.0
DEEP = RepositoryName("team/deep/app")


@pytest.fixture
async def driver() -> AsyncGenerator[FaultyDriver, None]:
    async with open_memory() as driver:
        yield FaultyDriver(driver)


@pytest.fixture
async def registry(driver: Driver) -> AsyncGenerator[Registry, None]:
    async with open_registry(driver, Rules()) as registry:
        yield registry


async def begun(registry: Registry, name: RepositoryName = NAME, content: bytes = b"") -> UploadId:
    session = await registry.repository(name).uploads.start()
    if content:
        await session.append(chunks(content))
    return session.id


async def said(driver: Driver, id_: UploadId, text: str) -> None:
    await put(driver, layout.upload_started(NAME, id_), text.encode())


async def found(driver: Driver) -> dict[str, OpenUpload]:
    return {upload.id.text: upload async for upload in open_uploads(driver)}


def later(hours: float) -> float:
    return datetime.now(UTC).timestamp() + hours * HOUR


async def test_uploads_are_found_in_every_repository(registry: Registry, driver: Driver) -> None:
    shallow = await begun(registry, NAME, b"some")
    deep = await begun(registry, DEEP)

    uploads = await found(driver)

    assert uploads[shallow.text].repository == NAME
    assert uploads[deep.text].repository == DEEP
    assert uploads[shallow.text].size > uploads[deep.text].size


async def test_only_what_is_old_is_removed_whole(registry: Registry, driver: Driver) -> None:
    old = await begun(registry, NAME, b"old")
    told: list[OpenUpload] = []

    assert await purge(registry, 2 * HOUR, later(1), told=told.append) == Purged(seen=1)
    assert await purge(registry, HOUR, later(2), told=told.append) == Purged(1, 1)

    assert [upload.id for upload in told] == [old]
    assert await keys(driver) == []
    with pytest.raises(BlobUploadUnknownError):
        await registry.repository(NAME).uploads.find(old)


async def test_upload_that_somebody_goes_on_with_is_kept(
    registry: Registry, driver: Driver
) -> None:
    id_ = await begun(registry, NAME, b"some")
    await said(driver, id_, "2001-01-01T00:00:00Z")

    assert await purge(registry, HOUR, later(0.5)) == Purged(seen=1)

    session = await registry.repository(NAME).uploads.find(id_)
    assert await session.append(chunks(b"more")) == 8


@pytest.mark.parametrize("text", ["", "nonsense", "9999999999", "\xff", "2001-01-01T00:00:00Z"])
async def test_time_that_is_damaged_is_taken_from_the_objects(
    registry: Registry, driver: Driver, text: str
) -> None:
    id_ = await begun(registry, NAME, b"some")
    await said(driver, id_, text)

    assert (await purge(registry, HOUR, later(0.5))).removed == 0
    assert (await purge(registry, HOUR, later(2))).removed == 1
    assert await keys(driver) == []


async def test_upload_of_the_future_is_kept(registry: Registry, driver: Driver) -> None:
    id_ = await begun(registry)
    await said(driver, id_, "2999-01-01T00:00:00Z")

    assert (await purge(registry, HOUR, later(24))).removed == 0


async def test_what_a_cancelled_upload_left_is_removed(registry: Registry, driver: Driver) -> None:
    await put(driver, layout.upload_hash_state(NAME, UploadId.new(), "sha256", 0), b"state")

    assert (await purge(registry, HOUR, later(2))).removed == 1
    assert await keys(driver) == []


async def test_dry_run_tells_and_removes_nothing(registry: Registry, driver: Driver) -> None:
    await begun(registry, NAME, b"some")
    before = await keys(driver)
    told: list[OpenUpload] = []

    done = await purge(registry, HOUR, later(2), dry_run=True, told=told.append)

    assert (done.removed, len(told)) == (1, 1)
    assert await keys(driver) == before


async def test_what_is_no_upload_is_never_touched(registry: Registry, driver: Driver) -> None:
    strangers = [
        layout.repository(NAME) + "_uploads/readme",
        layout.repository(NAME) + "_uploads/folder/data",
        layout.repository(NAME) + "_layers/_uploads/0/data",
        layout.REPOSITORIES + "_uploads/e4eaaaf2-d142-11e1-b3e4-080027620cdd/data",
        layout.REPOSITORIES + "UPPER/_uploads/e4eaaaf2-d142-11e1-b3e4-080027620cdd/data",
        "elsewhere/_uploads/e4eaaaf2-d142-11e1-b3e4-080027620cdd/data",
    ]
    for key in strangers:
        await put(driver, key, b"x")

    assert await purge(registry, HOUR, later(1000)) == Purged()
    assert await keys(driver) == sorted(strangers)


async def test_upload_that_cannot_be_removed_does_not_stop_the_others(
    registry: Registry, driver: FaultyDriver
) -> None:
    for _ in range(40):
        await begun(registry)
    driver.faults = [Fault("delete", UnavailableError("", "no"), times=1)]

    done = await purge(registry, HOUR, later(2))

    assert done == Purged(40, 39, 1)
    assert len(await found(driver)) == 1


async def test_costs_a_listing_for_each_folder_and_upload(
    registry: Registry, driver: FaultyDriver
) -> None:
    await begun(registry, NAME, b"some")
    for number in range(50):
        await put(driver, f"{layout.repository(NAME)}_layers/sha256/{number}/link", b"x")
        await put(driver, f"{layout.BLOBS}sha256/aa/{number}/data", b"x")
    driver.calls.clear()

    await found(driver)

    folders = len(NAME.text.split("/"))
    assert [verb for verb, _ in driver.calls].count("scan") <= folders + 3
    assert len(driver.calls) <= folders + 4


async def test_one_replica_has_the_turn_in_each_interval(driver: Driver) -> None:
    turns = [
        await take_turn(driver, "work", HOUR, now, owner)
        for now in (7200.0, 7300.0, 10_799.0, 10_800.0)
        for owner in ("a", "b")
    ]

    assert turns == [True, False, False, False, False, False, True, False]
    assert len(await keys(driver)) == 1
