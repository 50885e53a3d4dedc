"""Requests through mirrors and a migration, in every order in which the stores may meet them."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core.interleaving import Turns, TurnsDriver, every_order
from tests.core.stores import put
from tests.core.testing.dictionary import DictionaryDriver

from entrepot.core import layout
from entrepot.core.driver import Driver
from entrepot.core.errors import NotFoundError, UnavailableError
from entrepot.core.migrating.copying import Copier
from entrepot.core.migrating.following import follow
from entrepot.core.names import Digest, RepositoryName, Tag
from entrepot.core.streams import gather
from entrepot.core.threads import Threads
from entrepot.drivers.mirror import MirrorDriver

pytestmark = pytest.mark.anyio

TAG = layout.tag_link(RepositoryName("app"), Tag("1"))
CONTENT = b"content"
BLOB = layout.blob(Digest.of(CONTENT))
A, B, C = (str(Digest.of(text)).encode() for text in (b"a", b"b", b"c"))


class Place(Turns):
    """The turns of one of two stores, whose objects have nothing to do with the other's."""

    def __init__(self, name: str, turns: Turns) -> None:
        super().__init__([])
        self._name = name
        self._turns = turns

    async def take(self, verb: str, *keys: str) -> None:
        await self._turns.take(verb, *(f"{self._name}:{key}" for key in keys))


@dataclass(slots=True)
class Stores:
    """An old and a new store, met in turns."""

    turns: Turns
    old: Driver = field(init=False)
    new: Driver = field(init=False)

    def __post_init__(self) -> None:
        self.old = TurnsDriver(DictionaryDriver({}), Place("old", self.turns))
        self.new = TurnsDriver(DictionaryDriver({}), Place("new", self.turns))

    def mirror(self, *, swapped: bool = False) -> Driver:
        """What a replica has; after the swap, the new store is the first."""
        first, second = (self.new, self.old) if swapped else (self.old, self.new)
        return MirrorDriver(first, second, Threads(1))  # no thread begins: all content is short

    async def migrate(self, key: str) -> None:
        """What `entrepot migrate` does to an object of the old store."""
        copier = Copier(self.old, self.new, Threads(1))
        await follow(self.old, self.new, key, copier.copy)

    async def contents(self, key: str) -> tuple[bytes | None, bytes | None]:
        return await content(self.old, key), await content(self.new, key)


async def content(driver: Driver, key: str) -> bytes | None:
    try:
        return await gather(driver, key, 1000)
    except NotFoundError:
        return None


Actor = Callable[[Stores, str], Coroutine[Any, Any, Any]]


def pushing(pushed: bytes, *, swapped: bool = False) -> Actor:
    return lambda stores, key: put(stores.mirror(swapped=swapped), key, pushed)


def deleting(*, swapped: bool = False) -> Actor:
    return lambda stores, key: stores.mirror(swapped=swapped).delete([key])


def migrating() -> Actor:
    return lambda stores, key: stores.migrate(key)


async def run(
    turns: Turns, key: str, actors: tuple[Actor, ...], old: bytes | None, new: bytes | None
) -> tuple[bytes | None, bytes | None]:
    """What both stores have when all actors are done."""
    stores = Stores(turns)
    for driver, before in ((stores.old, old), (stores.new, new)):
        if before is not None:
            await put(driver, key, before)
    done = await turns.run(*(actor(stores, key) for actor in actors))
    assert not [each for each in done if isinstance(each, BaseException)]
    return await stores.contents(key)


BEFORE = pytest.mark.parametrize("new", [None, A, C], ids=["not there", "there", "stale"])
CASES: dict[str, tuple[tuple[Actor, ...], set[bytes | None]]] = {
    "push": ((migrating(), pushing(B)), {B}),
    "deletion": ((migrating(), deleting()), {None}),
    "two pushes": ((pushing(B), pushing(C)), {B, C}),
    "push and deletion": ((pushing(B), deleting()), {B, None}),
}
THREE: dict[str, tuple[Actor, ...]] = {
    "push and deletion": (migrating(), pushing(B), deleting()),
    "two migrations": (migrating(), migrating(), deleting()),
    "two pushes": (migrating(), pushing(B), pushing(C)),
}


@BEFORE
@pytest.mark.parametrize("case", CASES)
async def test_stores_end_alike_and_as_the_requests_said(case: str, new: bytes | None) -> None:
    actors, ends = CASES[case]
    seen: set[bytes | None] = set()

    async def tried(turns: Turns) -> None:
        here, there = await run(turns, TAG, actors, A, new)
        assert here == there
        seen.add(here)

    assert await every_order(tried) > 5
    assert seen == ends


@BEFORE
@pytest.mark.parametrize("case", THREE)
@settings(max_examples=100, deadline=None)
@given(order=st.lists(st.integers(0, 2), max_size=30))
async def test_three_side_by_side_end_alike(case: str, new: bytes | None, order: list[int]) -> None:
    """Too many orders to try all of them."""
    here, there = await run(Turns(order), TAG, THREE[case], A, new)

    assert here == there


@pytest.mark.parametrize("new", [None, CONTENT[:3]], ids=["not there", "cut"])
@pytest.mark.parametrize("act", [deleting(), pushing(CONTENT)], ids=["deletion", "push"])
async def test_blobs_end_alike_too(act: Actor, new: bytes | None) -> None:
    async def tried(turns: Turns) -> None:
        here, there = await run(turns, BLOB, (migrating(), act), CONTENT, new)
        assert here == there

    assert await every_order(tried) > 5


async def test_deletion_that_was_answered_is_never_read_again_from_the_first() -> None:
    """The migration may bring it back for a moment, in the store that follows only."""

    async def case(turns: Turns) -> None:
        stores = Stores(turns)
        await put(stores.old, TAG, A)
        after: list[bytes | None] = []

        async def delete() -> None:
            await stores.mirror().delete([TAG])
            after.append(await content(stores.old, TAG))

        done = await turns.run(stores.migrate(TAG), delete())
        assert done == [None, None]
        assert after == [None]

    assert await every_order(case) > 5


@settings(max_examples=300, deadline=None)
@given(
    order=st.lists(st.integers(0, 2), max_size=40),
    first=st.sampled_from([pushing(B), deleting()]),
    second=st.sampled_from([pushing(C, swapped=True), deleting(swapped=True)]),
)
async def test_replicas_that_have_the_stores_the_other_way_round_agree_in_the_end(
    order: list[int], first: Actor, second: Actor
) -> None:
    """Not in every order: two that overwrite each other in step would go on for ever."""
    turns = Turns(order)
    stores = Stores(turns)
    await put(stores.old, TAG, A)
    await put(stores.new, TAG, A)

    done = await turns.run(first(stores, TAG), second(stores, TAG))

    if not any(isinstance(each, UnavailableError) for each in done):
        here, there = await stores.contents(TAG)
        assert done == [None, None]
        assert here == there


class DiedError(BaseException):
    """A process that is gone."""


class Mortal(TurnsDriver):
    """Dies before its `last`th operation, or behind it."""

    def __init__(self, driver: Driver, left: list[int]) -> None:
        super().__init__(driver, _Countdown(left))


class _Countdown(Turns):
    def __init__(self, left: list[int]) -> None:
        super().__init__([])
        self._left = left

    async def take(self, verb: str, *keys: str) -> None:
        self._left[0] -= 1
        if self._left[0] < 0:
            raise DiedError(verb, *keys)


@pytest.mark.parametrize("act", [pushing(B), deleting(), migrating()])
async def test_death_at_any_step_is_healed_by_the_next_migration(act: Actor) -> None:
    deaths = 0
    for steps in range(12):
        left = [steps]
        stores = Stores(Turns([]))
        old, new = stores.old, stores.new
        await put(old, TAG, A)
        stores.old, stores.new = Mortal(old, left), Mortal(new, left)

        deaths += await dies(act(stores, TAG))
        stores.old, stores.new = old, new
        await stores.migrate(TAG)

        here, there = await stores.contents(TAG)
        assert here == there
        assert here in {A, B, None}
    assert deaths >= 3


async def dies(work: Coroutine[Any, Any, Any]) -> bool:
    """Whether a process died of it."""
    try:
        await work
    except DiedError:
        return True
    except BaseExceptionGroup as errors:
        if errors.split(DiedError)[1] is not None:
            raise
        return True
    return False
