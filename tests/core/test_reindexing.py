"""The index of referrers is made anew out of the manifests, whoever pushes meanwhile."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.core.interleaving import Turns, TurnsDriver, every_order
from tests.core.stores import NAME, image, index, keys, open_repository, put
from tests.core.testing.dictionary import DictionaryDriver

from entrepot.core import layout
from entrepot.core.manifest import OCI_MANIFEST
from entrepot.core.names import Digest, RepositoryName
from entrepot.core.registry import Repository, Rules
from entrepot.core.reindexing import Change, Reindexed, reindex

pytestmark = pytest.mark.anyio

UNVERIFIED = Rules(verify_references=False)
SUBJECT = Digest.of(b"an image")
OTHER = RepositoryName.parse("other/app")


def signature(label: str = "") -> bytes:
    subject: dict[str, Any] = {"mediaType": OCI_MANIFEST, "digest": str(SUBJECT), "size": 8}
    return index(subject=subject, annotations={"label": label}, artifactType="application/sig")


def key_of(content: bytes, name: RepositoryName = NAME) -> str:
    return layout.referrer(name, SUBJECT, Digest.of(content))


async def push(repository: Repository, *contents: bytes) -> None:
    for content in contents:
        await repository.manifests.put(Digest.of(content), content, None)


async def run(driver: DictionaryDriver, **more: Any) -> tuple[list[Change], Reindexed]:
    changes: list[Change] = []
    done = Reindexed()
    await reindex(driver, done, told=changes.append, **more)
    return changes, done


async def test_index_is_made_of_what_another_registry_wrote() -> None:
    driver = DictionaryDriver({})
    async with open_repository(driver, UNVERIFIED) as repository:
        contents = [signature(str(n)) for n in range(70)]
        await push(repository, *contents, image())
        written = {key: driver.store[key].content for key in map(key_of, contents)}
        await driver.delete(list(written))

        changes, done = await run(driver)

        assert {key: driver.store[key].content for key in written} == written
        assert {change.manifest for change in changes} == set(map(Digest.of, contents))
        assert replace(done) == Reindexed(repositories=1, manifests=71, added=70)
        page = await repository.referrers.page(SUBJECT)
        assert len(page.descriptors) == 70


async def test_second_run_changes_nothing() -> None:
    driver = DictionaryDriver({})
    async with open_repository(driver, UNVERIFIED) as repository:
        await push(repository, signature())
        before = dict(driver.store)

        changes, _ = await run(driver)

    assert changes == []
    assert driver.store == before  # the times of writing, too


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"digest":1}'])
async def test_damaged_entry_is_written_again(damage: bytes) -> None:
    driver = DictionaryDriver({})
    async with open_repository(driver, UNVERIFIED) as repository:
        await push(repository, signature())
        key = key_of(signature())
        written = driver.store[key].content
        await put(driver, key, damage)

        _, done = await run(driver)

    assert driver.store[key].content == written
    assert done.renewed == 1


async def test_entry_whose_manifest_is_gone_is_removed() -> None:
    driver = DictionaryDriver({})
    async with open_repository(driver, UNVERIFIED) as repository:
        await push(repository, signature(), signature("kept"))
        await driver.delete([layout.revision_link(NAME, Digest.of(signature()))])

        changes, _ = await run(driver)

    assert changes == [Change("removed", NAME, SUBJECT, Digest.of(signature()))]
    assert await keys(driver, layout.referrers(NAME, SUBJECT)) == [key_of(signature("kept"))]


async def test_entry_whose_manifest_is_damaged_stays() -> None:
    driver = DictionaryDriver({})
    async with open_repository(driver, UNVERIFIED) as repository:
        lost, torn = signature("lost"), signature("torn")
        await push(repository, lost, torn)
        await put(driver, layout.blob(Digest.of(lost)), b"other bytes")
        await put(driver, layout.revision_link(NAME, Digest.of(torn)), b"")

        changes, done = await run(driver)

    assert changes == []
    assert done.unread == 2


async def test_only_repositories_that_are_chosen() -> None:
    driver = DictionaryDriver({})
    async with open_repository(driver, UNVERIFIED) as repository:
        await push(repository, signature())
        for key in [*driver.store]:
            await put(driver, key.replace(NAME.text, OTHER.text), driver.store[key].content)
        await driver.delete([key_of(signature()), key_of(signature(), OTHER)])

        changes, _ = await run(driver, chosen=OTHER.text.__eq__)

    assert [change.repository for change in changes] == [OTHER]


async def test_what_is_no_entry_stays() -> None:
    driver = DictionaryDriver({})
    stray = layout.repository(NAME) + "_referrers/sha256/short/sha256/x/descriptor.json"
    await put(driver, stray)

    await run(driver)

    assert await keys(driver) == [stray]


@pytest.mark.parametrize("entry", [True, False], ids=["entry", "no entry"])
@pytest.mark.parametrize("link", [True, False], ids=["link", "no link"])
async def test_push_meanwhile_keeps_its_entry(entry: bool, link: bool) -> None:
    """In every order that the store can tell apart."""
    content = signature()

    async def case(turns: Turns) -> None:
        store = DictionaryDriver({})
        driver = TurnsDriver(store, turns)
        async with open_repository(driver, UNVERIFIED) as repository:
            await push(repository, content)
            if not entry:
                await store.delete([key_of(content)])
            if not link:
                await store.delete([layout.revision_link(NAME, Digest.of(content))])
            outcome = await turns.run(push(repository, content), reindex(driver, Reindexed()))
            assert not [one for one in outcome if isinstance(one, Exception)]
            page = await repository.referrers.page(SUBJECT)
            assert len(page.descriptors) == 1

    assert await every_order(case) > 5


async def test_deletion_meanwhile_is_not_undone() -> None:
    content = signature()

    async def case(turns: Turns) -> None:
        store = DictionaryDriver({})
        driver = TurnsDriver(store, turns)
        async with open_repository(driver, UNVERIFIED) as repository:
            await push(repository, content)
            await turns.run(
                repository.manifests.delete(Digest.of(content)), reindex(driver, Reindexed())
            )
            page = await repository.referrers.page(SUBJECT)
            assert page.descriptors == []
            await reindex(store, Reindexed())
            assert await keys(store, layout.referrers(NAME, SUBJECT)) == []

    assert await every_order(case) > 5
