"""Retention: a tag goes if a rule lets it and none keeps it, and never one pushed meanwhile."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.interleaving import Turns, TurnsDriver, every_order
from tests.core.stores import NAME, index, keys, open_repository, put
from tests.core.testing.dictionary import DictionaryDriver, Stored

from entrepot.core import layout, read_only
from entrepot.core.configuration.durations import Duration
from entrepot.core.configuration.model_tags import TagRule
from entrepot.core.errors import UnavailableError
from entrepot.core.names import Digest, RepositoryName, Tag
from entrepot.core.read_only import ReadOnlyStoreError
from entrepot.core.registry import Rules, open_registry
from entrepot.core.retention import Decision, Retained, decisions, retain
from entrepot.core.tag_rules import TagRules
from entrepot.core.testing import Fault, FaultyDriver

pytestmark = pytest.mark.anyio

NOW = 2_000_000_000.0
DAY = 86_400.0
CONTENT, OTHER = index(), index(annotations={"a": "other"})
DIGEST, OTHERS = Digest.of(CONTENT), Digest.of(OTHER)


def rule(**given: Any) -> TagRule:
    return TagRule.model_validate({"repositories": ("**",), **given})


def days(number: float) -> Duration:
    return Duration(round(number * DAY * 1e9))


class Clocked(DictionaryDriver):
    """A store whose clock is the test's: it goes on with each write."""

    def __init__(self) -> None:
        super().__init__({})
        self.now = NOW - 1000 * DAY

    def aged(self, age: float, *names: str, repository: RepositoryName = NAME) -> None:
        """Tags that were pushed so many days ago."""
        link = str(DIGEST).encode()
        for name in names:
            tag = Tag(name)
            self.store[layout.tag_history(repository, tag, DIGEST)] = Stored(link, NOW - age * DAY)
            self.store[layout.tag_link(repository, tag)] = Stored(link, NOW - age * DAY)

    async def write(self, key: str, chunks: Any, *, create: bool = False) -> Any:
        await super().write(key, chunks, create=create)
        self.now += 1
        self.store[key] = Stored(self.store[key].content, self.now)
        return self.entry(key)


@pytest.fixture
def driver() -> Clocked:
    return Clocked()


async def decided(driver: Clocked, *rules: TagRule) -> dict[str, Decision]:
    return {one.tag.text: one async for one in decisions(driver, TagRules(rules), NOW)}


async def expired(driver: Clocked, *rules: TagRule) -> set[str]:
    return {tag for tag, one in (await decided(driver, *rules)).items() if one.expires}


async def test_tags_go_when_their_time_is_over(driver: Clocked) -> None:
    driver.aged(31, "old", "older")
    driver.aged(29, "young")

    found = await decided(driver, rule(expire=days(30)))

    assert {tag for tag, one in found.items() if one.expires} == {"old", "older"}
    assert str(found["old"].reasons[0]) == "policy.tags.0: pushed 720h0m0s ago or longer"
    assert str(found["young"].reasons[0]) == "policy.tags.0: pushed less than 720h0m0s ago"


async def test_the_newest_stay(driver: Clocked) -> None:
    for age in range(1, 8):
        driver.aged(age, f"v{age}")

    found = await decided(driver, rule(keep=3))

    assert {tag for tag, one in found.items() if one.expires} == {"v4", "v5", "v6", "v7"}
    assert str(found["v3"].reasons[0]) == "policy.tags.0: among the 3 pushed last"
    assert str(found["v4"].reasons[0]) == "policy.tags.0: not among the 3 pushed last"


async def test_number_and_time_each_keep(driver: Clocked) -> None:
    driver.aged(1, "a", "b", "c")
    driver.aged(40, "d", "e")

    assert await expired(driver, rule(keep=1, expire=days(30))) == {"d", "e"}
    assert await expired(driver, rule(keep=4, expire=days(30))) == {"d"}, "e comes after d by name"


async def test_each_repository_is_counted_alone(driver: Clocked) -> None:
    for name in ("a", "b", "team/a"):
        driver.aged(1, f"{name[-1]}-new", repository=RepositoryName(name))
        driver.aged(2, f"{name[-1]}-old", repository=RepositoryName(name))

    found = [one async for one in decisions(driver, TagRules([rule(keep=1)]), NOW)]

    going = [(one.repository.text, one.tag.text) for one in found if one.expires]
    assert going == [("a", "a-old"), ("b", "b-old"), ("team/a", "a-old")]


async def test_what_no_rule_is_for_stays(driver: Clocked) -> None:
    driver.aged(1000, "pr-1", "main")
    driver.aged(1000, "pr-1", repository=RepositoryName("elsewhere"))

    found = await decided(driver, rule(repositories=("team/**",), match=("pr-*",), expire=days(1)))

    assert {tag for tag, one in found.items() if one.expires} == {"pr-1"}
    assert found["main"].reasons == ()
    assert {one.repository for one in found.values()} == {NAME}


async def test_rules_only_keep(driver: Clocked) -> None:
    """Whatever their order, and whether they are about time, number, names or immutability."""
    driver.aged(40, "latest", "v1", "pr-1", "main")
    lets_go = rule(expire=days(30))
    keeping = [
        (rule(never=("latest",)), "latest", "never expires (latest)"),
        (rule(immutable=("v*",)), "v1", "immutable (v*)"),
        (rule(match=("pr-*",), expire=days(60)), "pr-1", "pushed less than 1440h0m0s ago"),
        (rule(match=("ma*",), keep=1), "main", "among the 1 pushed last"),
    ]

    for one, tag, why in keeping:
        for order in itertools.permutations([one, lets_go]):
            found = await decided(driver, *order)
            assert {name for name, each in found.items() if not each.expires} == {tag}
            at = order.index(one)
            assert f"policy.tags.{at}: {why}" in map(str, found[tag].reasons)


async def test_immutable_tag_goes_where_a_rule_lets_it_be_deleted(driver: Clocked) -> None:
    driver.aged(40, "v1")

    assert await expired(driver, rule(immutable=("v*",), expire=days(30))) == set()
    assert await expired(driver, rule(immutable=("v*",), deletable=True, expire=days(30))) == {"v1"}


async def test_what_was_pushed_just_now_stays(driver: Clocked) -> None:
    driver.aged(59 / DAY, "a", "b")
    driver.aged(61 / DAY, "c")

    assert await expired(driver, rule(keep=1)) == {"c"}


async def test_signature_stays_as_long_as_what_it_belongs_to(driver: Clocked) -> None:
    there, gone = Digest.of(b"there"), Digest.of(b"gone")
    long = Digest.of(b"long", "sha512")
    await put(driver, layout.revision_link(NAME, there), str(there).encode())
    await put(driver, layout.revision_link(NAME, long), str(long).encode())
    signatures = [f"sha256-{there.hex}.sig", f"sha256-{there.hex}", f"sha512-{long.hex[:64]}"]
    driver.aged(40, *signatures, f"sha256-{gone.hex}.sig")
    driver.aged(41, "old", "sha256-0123")

    found = await decided(driver, rule(expire=days(30), keep=1))

    going = {tag for tag, one in found.items() if one.expires}
    assert going == {f"sha256-{gone.hex}.sig", "old"}, "the other one is among the last 1"
    assert str(found[signatures[0]].reasons[-1]) == "belongs to a manifest that is there"


async def test_damaged_tags_are_no_tags(driver: Clocked) -> None:
    driver.aged(40, "whole")
    await put(driver, layout.tag_link(NAME, Tag("torn")), b"sha256:01")
    await put(driver, layout.tags(NAME) + ".bad/current/link", str(DIGEST).encode())

    assert set(await decided(driver, rule(expire=days(30)))) == {"whole"}


@given(
    ages=st.dictionaries(st.text("ab", min_size=1, max_size=3), st.integers(1, 9), max_size=8),
    keep=st.integers(0, 4),
    expire=st.integers(0, 6),
    never=st.sampled_from([(), ("a*",)]),
)
async def test_is_what_the_rules_say(
    ages: dict[str, int], keep: int, expire: int, never: tuple[str, ...]
) -> None:
    if not (keep or expire):
        return
    driver = Clocked()
    for tag, age in ages.items():
        driver.aged(age, tag)

    found = await expired(driver, rule(keep=keep, expire=days(expire), never=never))

    by_place = sorted(ages, key=lambda tag: (-ages[tag], tag), reverse=True)
    wanted = {
        tag
        for place, tag in enumerate(by_place)
        if place >= keep and not (expire and ages[tag] < expire) and not (never and tag[0] == "a")
    }
    assert found == wanted


@pytest.fixture
async def filled(driver: Clocked) -> FaultyDriver:
    async with open_repository(driver, Rules(verify_references=False)) as repository:
        await repository.manifests.put(DIGEST, CONTENT, None)
    driver.aged(40, "old")
    driver.aged(1, "new")
    return FaultyDriver(driver)


EXPIRING = Rules(verify_references=False, tags=TagRules([rule(expire=days(30))]))


async def test_expired_tags_are_removed_with_their_history(filled: FaultyDriver) -> None:
    told: list[str] = []
    async with open_registry(filled, EXPIRING) as registry:
        dry = await retain(registry, NOW, dry_run=True)
        before = await keys(filled)
        wet = await retain(registry, NOW, told=lambda one: told.append(one.tag.text))

    assert dry == wet == Retained(2, 1, 0)
    assert sorted(told) == ["new", "old"]
    left = await keys(filled)
    assert set(before) - set(left) == {
        layout.tag_history(NAME, Tag("old"), DIGEST),
        layout.tag_link(NAME, Tag("old")),
    }


async def test_tag_that_cannot_be_removed_does_not_stop_the_others(
    driver: Clocked, filled: FaultyDriver
) -> None:
    driver.aged(40, "other")
    filled.faults = [Fault("delete", UnavailableError("", "no"), times=1)]

    async with open_registry(filled, EXPIRING) as registry:
        assert await retain(registry, NOW) == Retained(3, 1, 1)
        assert await retain(registry, NOW) == Retained(2, 1, 0)


async def test_nothing_expires_while_the_store_is_read_only(filled: FaultyDriver) -> None:
    await read_only.turn_on(filled, "moving", 1.0)
    before = await keys(filled)

    async with open_registry(filled, EXPIRING) as registry:
        assert (await retain(registry, NOW, dry_run=True)).removed == 1
        with pytest.raises(ReadOnlyStoreError, match=r"read-only \(moving\)"):
            await retain(registry, NOW)

    assert await keys(filled) == before


@pytest.mark.parametrize("pushed", [CONTENT, OTHER], ids=["again", "moved"])
async def test_push_beside_the_expiry_wins_in_every_order(pushed: bytes) -> None:
    """Who is told that a tag was pushed finds it there, however old it was before."""
    removed: set[int] = set()

    async def case(turns: Turns) -> None:
        store = Clocked()
        driver = TurnsDriver(store, turns)
        async with (
            open_repository(driver, EXPIRING) as first,
            open_registry(driver, EXPIRING) as second,
        ):
            await first.manifests.put(DIGEST, CONTENT, None)
            await first.manifests.put(OTHERS, OTHER, None)
            store.aged(40, "old")
            store.now = NOW
            done, retained = await turns.run(
                first.manifests.put(Tag("old"), pushed, None), retain(second, NOW)
            )
            assert not isinstance(done, Exception), done
            assert isinstance(retained, Retained), retained
            assert await first.tags.find(Tag("old")) == Digest.of(pushed)
            removed.add(retained.removed)

    assert await every_order(case) > 20
    assert removed == {0, 1}
