"""Uploads of the azure driver: how much is sent again, and what outlives a failure."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Iterable

import pytest
from tests.drivers.azure_fake import CONTAINER, FakeAzure, fake_azure

from entrepot.core import Driver
from entrepot.core.testing.material import MIB, content, get, pieces
from entrepot.drivers.azure import AzureOptions, open_azure, upload
from entrepot.drivers.azure.upload import to_merge

pytestmark = pytest.mark.anyio


@pytest.fixture
async def azure() -> AsyncGenerator[FakeAzure, None]:
    async with fake_azure() as fake:
        yield fake


@pytest.fixture
async def driver(azure: FakeAzure) -> AsyncGenerator[Driver, None]:
    given = {"accountname": "acme", "accountkey": "c2VjcmV0LWtleQ==", "container": CONTAINER}
    async with open_azure(AzureOptions.model_validate(given | {"serviceurl": azure.url})) as driver:
        azure.log.clear()
        yield driver


def appended(sizes: Iterable[int]) -> tuple[list[int], int]:
    """The blocks that there are after these appends, and how many bytes were sent again."""
    blocks: list[int] = []
    again = 0
    for size in sizes:
        begin, end = to_merge(blocks)
        if begin < end:
            merged = sum(blocks[begin:end])
            assert end - begin > 1
            assert merged <= 8 * MIB
            again += merged
            blocks[begin:end] = [merged]
        blocks.append(size)
    return blocks, again


@pytest.mark.parametrize(("size", "count"), [(32, 50_000), (1000, 20_000), (MIB, 5000)])
def test_equal_small_appends_are_few_blocks_and_few_bytes_again(size: int, count: int) -> None:
    blocks, again = appended([size] * count)

    assert sum(blocks) == size * count
    assert len(blocks) <= 110 + size * count // (7 * MIB)
    assert again <= 8 * size * count


def test_appends_of_any_size_are_few_blocks_and_few_bytes_again() -> None:
    sizes = [int(10 ** random.Random(n).uniform(0, 7)) for n in range(5000)]

    blocks, again = appended(sizes)

    assert sum(blocks) == sum(sizes)
    large = sum(block >= 4 * MIB for block in blocks)
    assert len(blocks) - large <= 1000 + 9 * large
    assert again <= 4 * sum(sizes)


async def test_long_append_is_made_durable_on_its_way(
    azure: FakeAzure, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload, "_KEPT", 2)
    data = content(23 * MIB)

    assert await driver.upload("u").append(pieces(data), 0) == len(data)
    assert azure.log.count("PUT block") == 5
    assert azure.log.count("PUT blocklist") == 3
    await driver.upload("u").commit("b", len(data))

    assert await get(driver, "b") == data


async def test_cancelled_append_keeps_what_was_durable(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload, "_KEPT", 2)
    data = content(23 * MIB)
    reached = asyncio.Event()

    async def stalled() -> AsyncGenerator[bytes, None]:
        async for piece in pieces(data):
            yield piece
        reached.set()
        await asyncio.Event().wait()

    append = asyncio.create_task(driver.upload("u").append(stalled(), 0))
    await reached.wait()
    append.cancel()
    with pytest.raises(asyncio.CancelledError):
        await append

    assert await driver.upload("u").size() == 20 * MIB
    await driver.upload("u").append(pieces(data[20 * MIB :]), 20 * MIB)
    await driver.upload("u").commit("b", len(data))
    assert await get(driver, "b") == data
