"""The switch on the store: there or not, and never taken for off when nobody knows."""

from __future__ import annotations

import pytest
from tests.core.stores import keys, put
from tests.core.testing.dictionary import DictionaryDriver

from entrepot.core import layout, read_only
from entrepot.core.errors import AccessError, StorageError, UnavailableError
from entrepot.core.read_only import ReadOnly, Switch
from entrepot.core.testing import Fault, FaultyDriver

pytestmark = pytest.mark.anyio


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def driver() -> FaultyDriver:
    return FaultyDriver(DictionaryDriver({}))


async def test_is_off_until_it_is_turned_on_and_off_again(driver: FaultyDriver) -> None:
    assert await read_only.find(driver) is None

    await read_only.turn_on(driver, "moving to another store", 1.5e9)
    assert await read_only.find(driver) == ReadOnly("moving to another store", 1.5e9)
    assert await keys(driver) == ["entrepot/readonly"]

    await read_only.turn_on(driver, "another reason", 1.6e9)
    assert await read_only.find(driver) == ReadOnly("another reason", 1.6e9)

    assert await read_only.turn_off(driver)
    assert not await read_only.turn_off(driver)
    assert await keys(driver) == []


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff", b"[]", b"null", b'{"reason": "a"}', b'{"reason":"a","since":"b"}'],
)
async def test_damaged_switch_is_on(driver: FaultyDriver, content: bytes) -> None:
    await put(driver, layout.READ_ONLY, content)

    assert await read_only.find(driver) == ReadOnly("the reason cannot be read")


@pytest.mark.parametrize("since", ["NaN", "Infinity", "-1", "1e300"])
async def test_moment_that_is_none_is_unknown(driver: FaultyDriver, since: str) -> None:
    await put(driver, layout.READ_ONLY, f'{{"reason": "a\\nb", "since": {since}}}'.encode())

    assert await read_only.find(driver) == ReadOnly("a\\nb", 0.0)


async def test_replica_knows_when_the_time_has_passed(driver: FaultyDriver) -> None:
    clock = Clock()
    switch = Switch(driver, seconds=5, clock=clock)
    assert await switch.find() is None
    clock.now += 1
    await read_only.turn_on(driver, "", 1.0)

    clock.now += 3.9
    before = await switch.find()
    clock.now += 1.1  # 5 s after it was turned
    after = await switch.find()

    assert (before, after) == (None, ReadOnly("", 1.0))


async def test_store_is_asked_once_in_that_time(driver: FaultyDriver) -> None:
    clock = Clock()
    switch = Switch(driver, seconds=5, clock=clock)

    for _ in range(49):
        await switch.find()
        clock.now += 0.25

    assert [verb for verb, _ in driver.calls] == ["read"] * 3


@pytest.mark.parametrize("error", [UnavailableError("", "no"), AccessError("", "no")])
async def test_what_cannot_be_read_is_neither_on_nor_off(
    driver: FaultyDriver, error: StorageError
) -> None:
    clock = Clock()
    switch = Switch(driver, seconds=5, clock=clock)
    assert await switch.find() is None
    clock.now += 5
    driver.faults = [Fault("read", error, times=2)]

    for _ in range(2):
        with pytest.raises(type(error)):
            await switch.find()

    assert await switch.find() is None
