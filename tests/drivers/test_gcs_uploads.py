"""What uploads cost on Google Cloud Storage, and what is left when they are cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress

import pytest
from tests.drivers.gcs_fake import Fake, Fault
from tests.drivers.gcs_opened import MIB, PIECE, driver, fake, open_on

from entrepot.core import Driver, OffsetError
from entrepot.core.testing.material import cancel_midway, content, get, keys, pieces, put

__all__ = ["driver", "fake"]
pytestmark = pytest.mark.anyio


async def test_requests_of_a_small_push(driver: Driver, fake: Fake) -> None:
    upload = driver.upload("u/1")

    await upload.append(pieces(b"content"), 0)
    await upload.commit("b", 7)

    assert dict(fake.requests) == {"insert": 1, "list": 1, "rewrite": 1, "delete": 1}


async def test_requests_of_a_large_push(fake: Fake) -> None:
    """12 MiB with the usual chunks: two pieces, in one session."""
    async with open_on(fake, chunksize=16 * MIB) as driver:
        upload = driver.upload("u/1")

        await upload.append(pieces(content(12 * MIB)), 0)
        await upload.commit("b", 12 * MIB)

        wanted = {"begin": 1, "chunk": 2, "list": 1, "rewrite": 1, "delete": 1}
        assert dict(fake.requests) == wanted


async def test_requests_of_small_objects(driver: Driver, fake: Fake) -> None:
    await put(driver, "a", b"content")
    await driver.stat("a")
    await get(driver, "a")
    await driver.link("a", "GET", 60)

    assert dict(fake.requests) == {"insert": 1, "stat": 1, "read": 1}


async def test_many_small_appends_cost_the_same_each(driver: Driver, fake: Fake) -> None:
    upload = driver.upload("u/1")
    data = content(32 * 164)
    costs: list[int] = []

    for at in range(0, len(data), 32):
        fake.requests.clear()
        await upload.append(pieces(data[at : at + 32]), at)
        costs.append(fake.requests.total())
    await upload.commit("b", len(data))

    assert await get(driver, "b") == data
    assert await keys(driver) == ["b"]
    assert max(costs) <= 4
    assert sum(costs[-31:]) == sum(costs[100:131])


async def test_parts_joined_already_cannot_be_written_again(driver: Driver) -> None:
    """An append that was slow, at an offset where others have been long ago."""
    data = content(3200)

    async def slow() -> AsyncGenerator[bytes, None]:
        for at in range(0, len(data), 32):
            await driver.upload("u/1").append(pieces(data[at : at + 32]), at)
        yield b"late"

    first = driver.upload("u/1")
    with pytest.raises(OffsetError):
        await first.append(slow(), 0)

    assert await first.size() == len(data)
    await first.commit("b", len(data))
    assert await get(driver, "b") == data


async def test_join_that_was_overtaken_is_done_by_the_others(driver: Driver) -> None:
    """Two replicas find 32 parts at once; one of them joins, the other sees it."""
    data = content(32 * 32)
    for at in range(0, len(data), 32):
        await driver.upload("u/1").append(pieces(data[at : at + 32]), at)

    outcomes = await asyncio.gather(
        *(driver.upload("u/1").append(pieces(text), len(data)) for text in (b"one", b"two")),
        return_exceptions=True,
    )

    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["OffsetError", "int"]
    size = await driver.upload("u/1").size()
    await driver.upload("u/1").commit("b", size)
    assert (await get(driver, "b"))[: len(data)] == data


async def test_append_of_more_than_a_part(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many parts that they are joined while the append goes on."""
    monkeypatch.setattr("entrepot.drivers.gcs.upload._PART", PIECE)
    data = content(70 * PIECE + 1)
    upload = driver.upload("u/1")

    assert await upload.append(pieces(data), 0) == len(data)
    assert await upload.size() == len(data)
    await upload.commit("b", len(data))

    assert await get(driver, "b") == data
    assert await keys(driver) == ["b"]


async def test_append_cut_by_its_client_keeps_what_came(driver: Driver) -> None:
    data = content(MIB)

    async def cut() -> AsyncGenerator[bytes, None]:
        yield data[: PIECE + 1000]
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await driver.upload("u/1").append(cut(), 0)

    assert await driver.upload("u/1").size() == PIECE + 1000
    await driver.upload("u/1").append(pieces(data[PIECE + 1000 :]), PIECE + 1000)
    await driver.upload("u/1").commit("b", MIB)
    assert await get(driver, "b") == data


async def test_append_cancelled_leaves_no_session(driver: Driver, fake: Fake) -> None:
    await cancel_midway(lambda chunks: driver.upload("u/1").append(chunks, 0), content(MIB))

    assert fake.store.open_sessions == []
    assert fake.requests["cancel"] == 1
    assert await driver.upload("u/1").size() == 0


@pytest.mark.parametrize("kind", ["begin", "chunk", "insert", "list", "compose", "delete"])
async def test_upload_cancelled_while_the_backend_stalls(
    fake: Fake, driver: Driver, kind: str
) -> None:
    """At every stage; the same upload goes on afterwards and ends with the right content."""
    await driver.upload("u/1").append(pieces(b"first"), 0)
    fault = Fault(kind, stall=True, times=1)
    fake.faults.append(fault)
    task = asyncio.ensure_future(_append_and_commit(driver, content(MIB)))
    assert await asyncio.to_thread(fault.reached.wait, 20)

    task.cancel()
    fake.release()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert fake.store.open_sessions == []
    if await driver.upload("u/1").size():
        await _append_and_commit(driver, content(MIB))
    assert await get(driver, "b") == b"first" + content(MIB) + b"last"
    assert await keys(driver) == ["b"]


async def _append_and_commit(driver: Driver, data: bytes) -> None:
    """Go on from wherever the upload is."""
    whole = b"first" + data + b"last"
    upload = driver.upload("u/1")
    for end in (5 + len(data), len(whole)):
        size = await upload.size()
        if size < end:
            with suppress(OffsetError):
                await upload.append(pieces(whole[size:end]), size)
    await upload.commit("b", len(whole))
