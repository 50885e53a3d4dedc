"""Pushes beside deletions, in every order that the store can tell apart.

The run has marked twice; what is left to do is what races: claims, deletions, and the end. What
was acknowledged must be whole, and what was not whole must have been refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core.collecting.clocked import HOUR, Clock, ClockedDriver, collect, push, replica
from tests.core.interleaving import Turns, TurnsDriver, every_order
from tests.core.stores import CONFIG, NAME, chunks, image, index, read_blob
from tests.core.testing.dictionary import Stored

from entrepot.core.collecting import condemned, runs
from entrepot.core.collecting.runs import Run
from entrepot.core.collecting.sweeping import Sweeper
from entrepot.core.driver import Driver
from entrepot.core.errors import ManifestBlobUnknownError, NotFoundError, UnavailableError
from entrepot.core.names import Digest, RepositoryName, Tag
from entrepot.core.registry import Repository
from entrepot.core.testing import Fault, FaultyDriver

T = Tag("t")
IMAGE = image()  # of a config alone, which keeps the orders to thousands
ELSEWHERE = RepositoryName("elsewhere")
Push = Callable[[Repository], Awaitable[object]]


class Interruption(BaseException):
    """The collector's process ends here."""


@dataclass(frozen=True)
class Marked:
    """A store whose run is about to delete."""

    objects: dict[str, Stored]
    run: Run
    now: float


async def marked(*, untagged: bool) -> Marked:
    """One image without a tag, of which the run has the manifest only if asked to."""
    clock = Clock()
    driver = ClockedDriver(clock)
    async with replica(driver, clock) as registry:
        repository = registry.repository(NAME)
        await push(repository, None, IMAGE)
        if not untagged:
            await repository.manifests.delete(Digest.of(IMAGE))
    clock.now += 3 * HOUR
    stopped = Fault("write", Interruption(), keys=f"{runs.ROOT}runs/*/claims/*")
    with pytest.raises(Interruption):
        await collect(FaultyDriver(driver, stopped), clock, untagged=untagged)
    [(run, _)] = await runs.current(driver)
    return Marked(driver.store, run, clock.now)


async def sweep(driver: Driver, run: Run, clock: Clock, owner: str) -> None:
    """Delete as a collector does, to the end of the run."""
    try:
        spared = await runs.read_keys(driver, run, run.spared)
        plan = await runs.read_plan(driver, run)
    except NotFoundError:
        return
    sweeper = Sweeper(driver, run, spared, owner, clock.timing)
    for number in range(sum(plan.batches.values())):
        swept = await sweeper.sweep(number)
        if swept.is_over or (plan.kind(number) == "revision" and swept.failed):
            return
        if not swept.is_settled and not await sweeper.is_settled(number, clock.now):
            return
    helps = await runs.helped(driver, run.helps)
    if not all([await sweeper.is_settled(number, clock.now) for number in helps]):
        return
    await driver.delete([run.marker])
    await runs.remove(driver, run)


async def put_manifest(repository: Repository) -> None:
    await repository.manifests.put(T, IMAGE, None)


async def put_index(repository: Repository) -> None:
    await repository.manifests.put(T, index([IMAGE]), None)


async def assert_tagged(repository: Repository) -> None:
    await assert_whole(repository, T)


async def put_blob(repository: Repository) -> None:
    await repository.blobs.put(Digest.of(CONFIG), chunks(CONFIG))


async def assert_whole(repository: Repository, reference: Tag | Digest) -> None:
    """What a reader gets of an image or an index."""
    found = await repository.manifests.get(reference)
    for descriptor in found.blobs:
        assert await read_blob(repository, Digest.parse(descriptor.digest))
    for child in found.manifests:
        await assert_whole(repository, Digest.parse(child.digest))


async def mount_blob(repository: Repository) -> None:
    if await repository.blobs.mount(Digest.of(CONFIG), None) is None:
        raise GoneError


async def assert_blob(repository: Repository) -> None:
    assert await read_blob(repository, Digest.of(CONFIG)) == CONFIG


class GoneError(Exception):
    """There is nothing to mount, so a client uploads."""


REFUSALS = (ManifestBlobUnknownError, UnavailableError, GoneError)


async def run(act: Push, repository: Repository) -> None:
    await act(repository)


@dataclass(frozen=True)
class Case:
    """A push, what has to be whole if it is acknowledged, and how else it may end."""

    act: Push
    check: Push
    refusals: frozenset[str]
    untagged: bool = False
    collectors: int = 1


async def assert_order(turns: Turns, start: Marked, wanted: Case) -> str:
    """Run a push beside deletions; gives how the push ended."""
    clock = Clock()
    clock.now = start.now + 1
    store = ClockedDriver(clock)
    store.store = dict(start.objects)
    driver = TurnsDriver(store, turns)
    async with replica(driver, clock) as registry:
        repository = registry.repository(NAME)
        sweeps = [sweep(driver, start.run, clock, str(n)) for n in range(wanted.collectors)]
        pushed, *swept = await turns.run(run(wanted.act, repository), *sweeps)
    assert [one for one in swept if isinstance(one, BaseException)] == []
    if pushed is None:
        async with replica(store, clock) as registry:
            await wanted.check(registry.repository(NAME))
        return "done"
    assert isinstance(pushed, REFUSALS), repr(pushed)
    return type(pushed).__name__


LOST = frozenset({"ManifestBlobUnknownError"})
CASES = {
    "manifest": Case(put_manifest, assert_tagged, LOST),
    "manifest again": Case(put_manifest, assert_tagged, LOST, untagged=True),
    "index of it": Case(put_index, assert_tagged, LOST, untagged=True),
    "blob": Case(put_blob, assert_blob, frozenset()),
    "mount": Case(mount_blob, assert_blob, frozenset({"GoneError"})),
    "blob, two collectors": Case(put_blob, assert_blob, frozenset(), collectors=2),
}


@pytest.fixture(autouse=True)
def _little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer looks whether a collector is done make fewer orders."""
    monkeypatch.setattr(condemned, "PATIENCE", 0.3)


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["manifest", "index of it"])
async def test_push_beside_deletions_in_every_order(name: str) -> None:
    wanted = CASES[name]
    start = await marked(untagged=wanted.untagged)
    outcomes: set[str] = set()

    async def case(turns: Turns) -> None:
        outcomes.add(await assert_order(turns, start, wanted))

    assert await every_order(case) > 100
    assert outcomes >= {"done", *wanted.refusals}


@pytest.mark.parametrize("name", CASES)
def test_push_beside_deletions_in_some_orders(name: str) -> None:
    wanted = CASES[name]
    start = asyncio.run(marked(untagged=wanted.untagged))
    outcomes: set[str] = set()

    @settings(max_examples=150, deadline=None, derandomize=True)
    @given(order=st.lists(st.integers(0, 2), max_size=60))
    def run_one(order: list[int]) -> None:
        outcomes.add(asyncio.run(assert_order(Turns(order), start, wanted)))

    run_one()
    assert outcomes >= {"done", *wanted.refusals}
