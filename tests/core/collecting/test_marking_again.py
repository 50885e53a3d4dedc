"""The second mark spares whatever changed since the first one."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing

import pytest
from tests.core.collecting.marked import GRACE, NOW, Store, image, mark

from entrepot.core import layout
from entrepot.core.collecting.marking import Garbage, MarkOptions, MarkReport, Untagged, spared
from entrepot.core.errors import UnavailableError
from entrepot.core.names import Digest, RepositoryName
from entrepot.core.testing.faults import Fault, FaultyDriver

pytestmark = pytest.mark.anyio
LATER = -10.0  # an age: after the first mark


async def each(garbage: Iterable[Garbage]) -> AsyncGenerator[Garbage, None]:
    for one in garbage:
        yield one


async def again(
    store: Store,
    condemned: Iterable[Garbage],
    untagged: Untagged | None = None,
    grace: float = GRACE,
) -> list[Garbage]:
    options = MarkOptions(grace, NOW, untagged)
    async with aclosing(spared(store.driver, options, each(condemned), MarkReport())) as found:
        return [one async for one in found]


def filled() -> Store:
    store = Store()
    for name in ("a-b", "a", "a/b"):
        for n in range(5):
            store.image(name, [f"{name} {n}".encode()])
            store.layer(name, f"{name} {n} garbage".encode())
    return store


@pytest.mark.parametrize("untagged", [None, Untagged()])
async def test_nothing_if_nothing_changed(untagged: Untagged | None) -> None:
    store = filled()
    condemned = await mark(store, untagged)

    assert len(condemned) > 20
    assert await again(store, condemned, untagged) == []
    assert await again(store, condemned[::3], untagged) == []


async def test_a_manifest_pushed_meanwhile_spares_all_that_it_needs() -> None:
    store = filled()
    condemned = await mark(store)
    layer = b"a-b 3 garbage"
    store.manifest("a-b", image([layer]), "new", age=LATER)

    found = await again(store, condemned)

    assert [(one.kind, one.repository, one.digest) for one in found] == [
        ("layer", "a-b", Digest.of(layer)),
        ("blob", "", Digest.of(layer)),
    ]


async def test_a_tag_set_meanwhile_spares_the_manifest_and_what_it_needs() -> None:
    store = filled()
    condemned = await mark(store, Untagged())
    layer = b"a/b 2"
    store.tag("a/b", "new", Digest.of(image([layer])))

    found = await again(store, condemned, Untagged())

    assert [one.kind for one in found] == ["revision", "layer", "layer", *["blob"] * 3]
    assert {one.digest for one in found} >= {Digest.of(layer), Digest.of(image([layer]))}


@pytest.mark.parametrize("grace", [0.0, GRACE])
@pytest.mark.parametrize("age", [LATER, 0.0])
async def test_what_was_written_since_is_spared(grace: float, age: float) -> None:
    store = filled()
    condemned = await mark(store, grace=grace)
    blob = store.blob(b"a 1 garbage", age=age)
    link = Digest.of(b"a 2 garbage")
    store.link("a", link, age=age)

    found = await again(store, condemned, grace=grace)

    assert (found[0].kind, found[0].digest) == ("layer", link)
    assert {one.digest for one in found[1:]} == {blob, link}
    assert len(found) == 3


async def test_a_repository_that_is_damaged_since_is_spared() -> None:
    store = filled()
    condemned = await mark(store, Untagged())
    del store.driver.store[layout.blob(Digest.of(image([b"a 0"])))]

    found = await again(store, condemned, Untagged())

    assert {one.key for one in condemned if one.repository == "a"} <= {one.key for one in found}
    assert {one.repository for one in found} == {"a", ""}


async def test_what_is_gone_meanwhile_is_spared() -> None:
    store = filled()
    condemned = await mark(store)
    del store.driver.store[condemned[0].key]

    assert await again(store, condemned) == condemned[:1]


async def test_what_comes_out_of_order_is_spared() -> None:
    store = filled()
    condemned = await mark(store)

    assert await again(store, reversed(condemned)) == condemned[-2::-1]


async def test_an_error_comes_out() -> None:
    store = filled()
    condemned = await mark(store)
    broken = UnavailableError("k", "broken")
    name = RepositoryName("a/b")
    driver = FaultyDriver(store.driver, Fault("scan", broken, f"{layout.layers(name)}*"))

    with pytest.raises(UnavailableError, match="broken"):
        async with aclosing(
            spared(driver, MarkOptions(GRACE, NOW), each(condemned), MarkReport())
        ) as found:
            _ = [one async for one in found]
