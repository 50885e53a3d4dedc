"""Figures of a store: every byte that is shared, owned or nobody's is counted once."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator

import pytest
from tests.core.stores import CONFIG, chunks, image, put
from tests.core.testing.dictionary import DictionaryDriver

from entrepot.core import accounting, layout
from entrepot.core.accounting import Account, Holding, account, count_tags
from entrepot.core.driver import Driver
from entrepot.core.errors import UnavailableError
from entrepot.core.names import Digest, RepositoryName, Tag
from entrepot.core.registry import Registry, Rules, open_registry
from entrepot.core.testing import FaultyDriver
from entrepot.core.turns import last_turns, take_turn

pytestmark = pytest.mark.anyio
FIRST, SECOND = RepositoryName("a"), RepositoryName("b/c")


@pytest.fixture
async def driver() -> Driver:
    return DictionaryDriver({})


@pytest.fixture
async def registry(driver: Driver) -> AsyncGenerator[Registry, None]:
    async with open_registry(driver, Rules()) as registry:
        yield registry


async def push(registry: Registry, name: RepositoryName, *layers: bytes, tag: str = "1") -> bytes:
    repository = registry.repository(name)
    for content in (CONFIG, *layers):
        await repository.blobs.put(Digest.of(content), chunks(content))
    manifest = image(layers)
    await repository.manifests.put(Tag(tag), manifest, None)
    return manifest


async def test_empty_store(driver: Driver) -> None:
    assert await account(driver) == Account((), 0, 0, 0, 0)


async def test_what_is_shared_and_what_is_not(registry: Registry, driver: Driver) -> None:
    ours = await push(registry, FIRST, b"both have it", b"only the first")
    theirs = await push(registry, SECOND, b"both have it")
    await put(driver, layout.blob(Digest.of(b"nobody's")), b"nobody's")

    found = await account(driver)

    shared = len(CONFIG) + len(b"both have it")
    own = len(b"only the first") + len(ours)
    assert found.holdings == (
        Holding(FIRST, manifests=1, blobs=3, logical=shared + own, own=own),
        Holding(SECOND, manifests=1, blobs=2, logical=shared + len(theirs), own=len(theirs)),
    )
    assert [held.shared for held in found.holdings] == [shared, shared]
    assert found.physical == shared + own + len(theirs) + len(b"nobody's")
    assert found.logical == 2 * shared + own + len(theirs)
    assert found.unlinked == len(b"nobody's")
    assert (found.blobs, found.missing) == (6, 0)


async def test_blob_that_is_linked_twice_in_a_repository_counts_once(
    registry: Registry, driver: Driver
) -> None:
    manifest = await push(registry, FIRST)
    await registry.repository(FIRST).blobs.link(Digest.of(manifest))

    (held,) = (await account(driver)).holdings

    assert held.logical == held.own == len(CONFIG) + len(manifest)


async def test_links_to_nothing_are_missing(registry: Registry, driver: Driver) -> None:
    await push(registry, FIRST, b"lost")
    await driver.delete([layout.blob(Digest.of(b"lost"))])

    assert (await account(driver)).missing == 1


async def test_alias_of_distribution_is_the_content_it_names(driver: Driver) -> None:
    content = b"pushed by its sha512"
    link = layout.layer_link(FIRST, Digest.of(content, "sha512"))
    await put(driver, link, str(Digest.of(content)).encode())
    await put(driver, layout.blob(Digest.of(content)), content)

    found = await account(driver)

    assert found.holdings == (Holding(FIRST, blobs=1, logical=len(content), own=len(content)),)
    assert (found.unlinked, found.missing) == (0, 0)


async def test_nothing_is_read_but_aliases(registry: Registry, driver: Driver) -> None:
    await push(registry, FIRST, b"layer")
    await put(driver, layout.layer_link(FIRST, Digest.of(b"empty")), b"")
    alias = layout.layer_link(FIRST, Digest.of(b"layer", "sha512"))
    await put(driver, alias, str(Digest.of(b"layer")).encode())
    seen = FaultyDriver(driver)

    assert (await account(seen)).blobs == 3
    assert [call for call in seen.calls if call[0] != "scan"] == [("read", alias)]


async def test_no_place_for_temporary_files(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connect(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("unable to open database file")

    monkeypatch.setattr(sqlite3, "connect", connect)

    with pytest.raises(UnavailableError, match="this machine's temporary files: unable to open"):
        await account(driver)


async def test_more_than_is_written_at_a_time(
    registry: Registry, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounting, "_BATCH", 2)
    monkeypatch.setattr(accounting, "WIDTH", 1)
    for number in range(9):
        await push(registry, RepositoryName(f"many/{number}"), b"1", b"22", b"333", b"4444")
    seen: list[int] = []

    found = await account(driver, seen.append)

    assert len(found.holdings) == 9
    assert {(held.blobs, held.logical - held.own) for held in found.holdings} == {
        (5, found.physical)
    }
    assert sum(seen) == 9 * 6 + found.blobs


async def test_tags_that_point_to_something(registry: Registry, driver: Driver) -> None:
    await push(registry, FIRST, tag="1")
    await push(registry, SECOND, tag="1")
    await push(registry, SECOND, tag="2")
    await put(driver, layout.tag_link(SECOND, Tag("torn")), b"")

    assert await count_tags(driver, [FIRST, SECOND]) == 3


async def test_last_turns(driver: Driver) -> None:
    assert await last_turns(driver) == []

    await take_turn(driver, "purging", 60, 100.0, "one")
    await take_turn(driver, "purging", 60, 1000.0, "two")
    await take_turn(driver, "collecting", 3600, 1000.0, "three")

    turns = await last_turns(driver)
    assert [(turn.work, turn.owner) for turn in turns] == [
        ("collecting", "three"),
        ("purging", "two"),
    ]
    assert all(turn.taken > 0 for turn in turns)
