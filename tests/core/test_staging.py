"""Uploads of parts: what a broken request or process may leave does not hinder the next."""

from __future__ import annotations

import pytest

from entrepot.core import OffsetError, StagedUpload, UnavailableError
from entrepot.core.testing import Fault, FaultyDriver
from entrepot.core.testing.material import chunks_of, get, keys, pieces, put
from entrepot.drivers.inmemory import InMemoryDriver

pytestmark = pytest.mark.anyio
DOWN = UnavailableError("u", "no answer")


@pytest.fixture
def driver() -> FaultyDriver:
    return FaultyDriver(InMemoryDriver())


@pytest.fixture
def upload(driver: FaultyDriver) -> StagedUpload:
    return StagedUpload(driver, "u")


async def test_append_keeps_a_part_for_each_stream(
    driver: FaultyDriver, upload: StagedUpload
) -> None:
    await upload.append(pieces(b"some", 1), 0)
    await upload.append(pieces(b"more", 1), 4)

    assert await keys(driver) == [f"u/data/{0:020d}", f"u/data/{4:020d}"]


async def test_append_of_nothing_writes_nothing(driver: FaultyDriver, upload: StagedUpload) -> None:
    assert await upload.append(chunks_of([b"", b""]), 0) == 0

    assert "write" not in {operation for operation, _ in driver.calls}


async def test_append_begins_behind_empty_chunks(upload: StagedUpload) -> None:
    assert await upload.append(chunks_of([b"", b"so", b"", b"me"]), 0) == 4


async def test_append_at_a_wrong_offset_pulls_nothing(upload: StagedUpload) -> None:
    chunks = chunks_of([b"some"])

    with pytest.raises(OffsetError):
        await upload.append(chunks, 4)

    assert await anext(chunks) == b"some"


async def test_append_whose_answer_is_lost_is_there(
    driver: FaultyDriver, upload: StagedUpload
) -> None:
    driver.faults = [Fault("write", DOWN, when="after")]

    with pytest.raises(UnavailableError):
        await upload.append(pieces(b"some"), 0)

    assert await upload.size() == 4


async def test_commit_that_fails_can_be_tried_again(
    driver: FaultyDriver, upload: StagedUpload
) -> None:
    await upload.append(pieces(b"some"), 0)
    await upload.append(pieces(b"more"), 4)
    driver.faults = [Fault("write", DOWN, keys="b", when="midway")]
    with pytest.raises(UnavailableError):
        await upload.commit("b", 8)

    await upload.commit("b", 8)

    assert await keys(driver) == ["b"]
    assert await get(driver, "b") == b"somemore"


async def test_commit_without_its_cleaning_up_can_be_tried_again(
    driver: FaultyDriver, upload: StagedUpload
) -> None:
    await upload.append(pieces(b"some"), 0)
    driver.faults = [Fault("delete", DOWN)]
    with pytest.raises(UnavailableError):
        await upload.commit("b", 4)

    await upload.commit("b", 4)

    assert await keys(driver) == ["b"]


async def test_parts_without_their_first_count_for_nothing_and_go_with_abort(
    driver: FaultyDriver, upload: StagedUpload
) -> None:
    await upload.append(pieces(b"some"), 0)
    await upload.append(pieces(b"more"), 4)
    await driver.delete([f"u/data/{0:020d}"])

    assert await upload.size() == 0
    await upload.abort()
    assert await keys(driver) == []


async def test_abort_keeps_what_begins_alike(driver: FaultyDriver, upload: StagedUpload) -> None:
    await put(driver, "u/database")
    await upload.append(pieces(b"some"), 0)

    await upload.abort()

    assert await keys(driver) == ["u/database"]
