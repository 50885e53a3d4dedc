"""Pulls, recorded to the day; and tags that stay because they are pulled."""

from __future__ import annotations

import pytest
from tests.core.stores import NAME, keys, put
from tests.core.test_retention import DAY, NOW, Clocked, days, rule
from tests.core.testing.dictionary import Stored

from entrepot.core import layout
from entrepot.core.names import RepositoryName, Tag
from entrepot.core.pulls import keep_recording, pulled, record, recorded_since
from entrepot.core.registry import Rules, open_registry
from entrepot.core.retention import Decision, decisions, retain
from entrepot.core.tag_rules import TagRules
from entrepot.core.testing import FaultyDriver

pytestmark = pytest.mark.anyio

OLD, OTHER = Tag("old"), Tag("other")


@pytest.fixture
def driver() -> Clocked:
    return Clocked()


def written(driver: Clocked, key: str, age: float) -> None:
    """An object that was written so many days ago."""
    driver.store[key] = Stored(b"pulled", NOW - age * DAY)


async def decided(driver: Clocked, **given: object) -> dict[str, Decision]:
    rules = TagRules([rule(pulls=True, **given)])
    return {one.tag.text: one async for one in decisions(driver, rules, NOW)}


async def going(driver: Clocked, **given: object) -> set[str]:
    return {tag for tag, one in (await decided(driver, **given)).items() if one.expires}


async def test_pull_is_written_once_a_day(driver: Clocked) -> None:
    faulty = FaultyDriver(driver)

    for hours in (0, 1, 23, 25, 26):
        now = NOW + hours * 3600
        driver.now = now - 1
        await record(faulty, NAME, OLD, now)

    assert [verb for verb, _ in faulty.calls].count("write") == 2
    assert await pulled(driver, NAME) == {"old": NOW + 25 * 3600 + DAY}
    assert await pulled(driver, RepositoryName("team")) == {}
    assert await keys(driver) == [layout.repository(NAME) + "_pulled/old/at"]


async def test_recording_begins_anew_after_a_silence(driver: Clocked) -> None:
    assert await recorded_since(driver, NOW) == NOW

    for hours in range(0, 200, 5):
        driver.now = NOW + hours * 3600
        await keep_recording(driver, driver.now)
    assert await recorded_since(driver, driver.now) == NOW + 1, "without a gap it goes on"

    much_later = driver.now + 4 * DAY
    assert await recorded_since(driver, much_later) == much_later
    driver.now = much_later
    await keep_recording(driver, much_later)
    assert await recorded_since(driver, much_later + 10) == much_later + 1


@pytest.mark.parametrize("age", [29, 30.9])
async def test_what_was_pulled_stays(driver: Clocked, age: float) -> None:
    """For a day longer, because that is how long a record stands for more pulls."""
    driver.aged(100, "old", "other")
    written(driver, layout.RECORDING_BEGAN, 90)
    written(driver, layout.RECORDING, 0.1)
    written(driver, layout.pulled(NAME, OLD), age)

    found = await decided(driver, expire=days(30))

    assert {tag for tag, one in found.items() if one.expires} == {"other"}
    assert str(found["old"].reasons[0]).endswith("pushed or pulled less than 720h0m0s ago")
    assert str(found["other"].reasons[0]).endswith("pushed or pulled 720h0m0s ago or longer")


async def test_what_was_pulled_long_ago_goes(driver: Clocked) -> None:
    driver.aged(100, "old")
    written(driver, layout.RECORDING_BEGAN, 90)
    written(driver, layout.RECORDING, 0.1)
    written(driver, layout.pulled(NAME, OLD), 31.1)

    assert await going(driver, expire=days(30)) == {"old"}


@pytest.mark.parametrize(("began", "alive"), [(10, 0.1), (90, 4), (None, None)])
async def test_nothing_goes_before_pulls_were_recorded_for_long(
    driver: Clocked, began: float | None, alive: float | None
) -> None:
    driver.aged(100, "old")
    if began is not None and alive is not None:
        written(driver, layout.RECORDING_BEGAN, began)
        written(driver, layout.RECORDING, alive)

    assert await going(driver, expire=days(30)) == set()


async def test_those_used_last_are_kept(driver: Clocked) -> None:
    for age in range(40, 45):
        driver.aged(age, f"v{age}")
    written(driver, layout.RECORDING_BEGAN, 39)
    written(driver, layout.RECORDING, 0.1)
    written(driver, layout.pulled(NAME, Tag("v44")), 3)

    assert await going(driver, keep=2) == {"v41", "v42", "v43"}, "pulled, then pushed last"


async def test_expired_tag_leaves_no_record(driver: Clocked) -> None:
    driver.aged(100, "old")
    await put(driver, layout.pulled(NAME, OLD))

    async with open_registry(driver, Rules(tags=TagRules([rule(expire=days(30))]))) as registry:
        assert (await retain(registry, NOW)).removed == 1

    assert await keys(driver) == []
