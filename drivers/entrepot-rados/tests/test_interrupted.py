"""A process that ends between any two operations leaves a store that serves, lists and is tidied.

That it ends is imitated by a cluster that answers nothing from some operation on: what the driver
then does to tidy up comes to nothing, too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
from rados_fake import RadosFake

from entrepot.core import Driver, NotFoundError, StorageError
from entrepot.core.testing.material import content, get, keys, pieces, put
from entrepot_rados.driver import RadosDriver
from entrepot_rados.head import INLINE, decoded
from entrepot_rados.opening import connected, opened
from entrepot_rados.reindex import reindex
from entrepot_rados.state import State, States

pytestmark = pytest.mark.anyio

Doing = Callable[[Driver], Awaitable[object]]
SMALL, OTHER = content(1000, seed=1), content(2000, seed=2)
LARGE, LARGER = content(INLINE + 100_000, seed=3), content(INLINE + 300_000, seed=4)
TOKEN = "u/1"


async def nothing(_: Driver) -> None:
    return


def writing(data: bytes, *, create: bool = False) -> Doing:
    return lambda driver: put(driver, "a", data, create=create)


def appending(data: bytes) -> Doing:
    return lambda driver: driver.upload(TOKEN).append(pieces(data), 0)


def both(*doings: Doing) -> Doing:
    async def do(driver: Driver) -> None:
        for doing in doings:
            await doing(driver)

    return do


def committing(data: bytes) -> Doing:
    return lambda driver: driver.upload(TOKEN).commit("a", len(data))


async def deleting(driver: Driver) -> None:
    await driver.delete(["a"])


async def aborting(driver: Driver) -> None:
    await driver.upload(TOKEN).abort()


# What is there before, what is interrupted, and what may be under the key afterwards.
CASES: dict[str, tuple[Doing, Doing, set[bytes | None]]] = {
    "create": (nothing, writing(SMALL, create=True), {None, SMALL}),
    "write": (nothing, writing(SMALL), {None, SMALL}),
    "write large": (nothing, writing(LARGE), {None, LARGE}),
    "replace": (writing(SMALL), writing(OTHER), {SMALL, OTHER}),
    "replace large": (writing(LARGE), writing(LARGER), {LARGE, LARGER}),
    "replace large by small": (writing(LARGE), writing(SMALL), {LARGE, SMALL}),
    "delete": (writing(SMALL), deleting, {SMALL, None}),
    "delete large": (writing(LARGE), deleting, {LARGE, None}),
    "append": (nothing, appending(SMALL), {None}),
    "append large": (nothing, appending(LARGE), {None}),
    "commit": (appending(SMALL), committing(SMALL), {None, SMALL}),
    "commit large": (appending(LARGE), committing(LARGE), {None, LARGE}),
    "commit over another": (
        both(writing(LARGER), appending(LARGE)),
        committing(LARGE),
        {LARGER, LARGE},
    ),
    "abort": (appending(LARGE), aborting, {None}),
}


@pytest.mark.parametrize("case", CASES)
async def test_interrupted_anywhere(case: str) -> None:
    before, doing, possible = CASES[case]
    seen = set[bytes | None]()
    lasts, is_done = 0, False
    while not is_done:
        fake = RadosFake()
        is_done = await interrupted(fake, before, doing, lasts)
        found = await checked(fake)
        assert found in possible
        seen.add(found)
        lasts += 1

    assert seen == possible, "it was interrupted before and after"
    assert lasts > 2


async def interrupted(fake: RadosFake, before: Doing, doing: Doing, lasts: int) -> bool:
    """Whether so many operations were enough."""
    async with opened(fake.options(threads=1), fake.binding) as driver:
        await before(driver)
        fake.lasts = lasts
        try:
            await doing(driver)
        except StorageError:
            return False
        finally:
            fake.lasts = -1
    return True


async def checked(fake: RadosFake) -> bytes | None:
    """What is there, for whoever comes next; then nothing is left over."""
    async with opened(fake.options(threads=1), fake.binding) as driver:
        found = await find(driver)
        assert await keys(driver) == (["a"] if found is not None else [])
        claimed = tidied(fake)
        assert await find(driver) == found
        assert await keys(driver) == (["a"] if found is not None else [])
        await goes_on(driver, found)
        if claimed:  # a commit may still be under way, for all that an abort knows
            tidied(fake)
        assert fake.names() == []
        assert fake.records("index") == fake.records("generations") == {}
    return found


async def find(driver: RadosDriver) -> bytes | None:
    with suppress(NotFoundError):
        return await get(driver, "a")
    return None


def tidied(fake: RadosFake) -> bool:
    """Afterwards all chunks are of an object or an upload, and all entries of an object.

    Gives whether there is an upload whose commit has begun.
    """
    with connected(fake.options(), fake.binding) as store:
        reindex(store, grace=-1)
        state = States(store.objects).find(TOKEN)
    heads = [decoded(fake.objects[name].data) for name in fake.names("key:")]
    own = {head.generation for head in heads if head.generation} | kept(state)
    assert {name.split(":")[1] for name in fake.names("chunk:")} <= own
    assert set(fake.records("generations")) <= own
    assert {name.split(" ")[1] for name in fake.records("index")} == {head.id for head in heads}
    return state is not None and state.target != ""


def kept(state: State | None) -> set[str]:
    return {state.generation} if state is not None else set()


async def goes_on(driver: RadosDriver, found: bytes | None) -> None:
    """The key and the upload can be used, and be removed without a rest."""
    held = await driver.upload(TOKEN).size()
    if held:
        with suppress(StorageError):
            await driver.upload(TOKEN).append(pieces(b"more"), held)
    await driver.upload(TOKEN).abort()
    assert await driver.upload(TOKEN).size() == 0
    assert await find(driver) == found
    await put(driver, "a", b"new")
    assert await get(driver, "a") == b"new"
    await driver.delete(["a"])
