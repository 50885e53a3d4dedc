"""Walks over a whole store see what the layout knows, and nothing else."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest
from tests.core.stores import image, index, open_dictionary, open_repository, put
from tests.core.testing.dictionary import DictionaryDriver

from entrepot.core import inventory, layout
from entrepot.core.concurrency import WIDTH
from entrepot.core.driver import Entry, Prefix
from entrepot.core.errors import UnavailableError
from entrepot.core.names import Digest, Tag
from entrepot.core.streams import once
from entrepot.core.testing.faults import Fault, FaultyDriver

pytestmark = pytest.mark.anyio
NAMES = ["a", "a/b", "a/b-c", "a-b", "b/c/d", "team/app"]


async def names(driver: DictionaryDriver, *folders: str, after: str = "") -> list[str]:
    async with aclosing(inventory.repositories(driver, *folders, after=after)) as found:
        return [name.text async for name in found]


async def filled() -> DictionaryDriver:
    driver = DictionaryDriver({})
    for name in NAMES:
        await put(driver, f"{layout.REPOSITORIES}{name}/_layers/sha256/{'0' * 64}/link")
    await put(driver, f"{layout.REPOSITORIES}a/_uploads/x/startedat")
    await put(driver, f"{layout.REPOSITORIES}UPPER/_layers/x")
    await put(driver, f"{layout.REPOSITORIES}_odd/x")
    await put(driver, f"{layout.REPOSITORIES}stray")
    return driver


async def test_repositories_in_the_order_of_the_catalogue() -> None:
    assert await names(await filled()) == NAMES


@pytest.mark.parametrize("after", ["", *NAMES, "a/a", "a/b/z", "b", "zz"])
async def test_repositories_go_on_after_a_name(after: str) -> None:
    passed = [name for name in NAMES if name.split("/") <= (after.split("/") if after else [])]

    assert await names(await filled(), after=after) == NAMES[len(passed) :]


async def test_repositories_by_folder() -> None:
    assert await names(await filled(), "_uploads", "_manifests") == ["a"]


async def test_folders_are_listed_side_by_side_and_not_all_at_once() -> None:
    under_way = most = 0

    class Slow(DictionaryDriver):
        async def scan(
            self, prefix: str, *, after: str = "", delimiter: str = ""
        ) -> AsyncGenerator[Entry | Prefix, None]:
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            for _ in range(5):
                await asyncio.sleep(0)
            async with aclosing(super().scan(prefix, after=after, delimiter=delimiter)) as items:
                async for item in items:
                    yield item
            under_way -= 1

    driver = Slow({})
    written = [f"x/{number:03d}" for number in range(100)]
    for name in written:
        await put(driver, f"{layout.REPOSITORIES}{name}/_layers/x")

    assert await names(driver) == written
    assert 8 < most <= WIDTH


async def test_repositories_closed_early_leave_nothing_running() -> None:
    before = asyncio.all_tasks()
    async with aclosing(inventory.repositories(await filled())) as found:
        assert (await anext(found)).text == NAMES[0]

    assert asyncio.all_tasks() == before


async def test_an_error_of_a_listing_comes_out() -> None:
    fault = Fault("scan", UnavailableError("k", "broken"), f"{layout.REPOSITORIES}a/b/")
    before = asyncio.all_tasks()

    with pytest.raises(UnavailableError, match="broken"):
        async with aclosing(inventory.repositories(FaultyDriver(await filled(), fault))) as found:
            _ = [name async for name in found]

    assert asyncio.all_tasks() == before


async def test_what_a_repository_holds() -> None:
    driver = DictionaryDriver({})
    async with open_repository(driver) as repository:
        name = repository.name
        child = image()
        await repository.blobs.put(Digest.of(b"{}"), once(b"{}"))
        await repository.manifests.put(Tag("one"), child, None)
        await repository.manifests.put(Tag("two"), index([child]), None)
        await put(driver, layout.tag_link(name, Tag("torn")), b"")
        await put(driver, layout.layers(name) + "sha256/short/link")
        await put(driver, layout.blob(Digest.of(b"{}")) + ".tmp")
        await put(driver, layout.BLOBS + "sha256/00/stray")

        manifests = {Digest.of(child), Digest.of(index([child]))}
        found = [item async for item in inventory.blobs(driver)]
        links = [item.digest async for item in inventory.layer_links(driver, name)]
        revisions = {item.digest async for item in inventory.revisions(driver, name)}
        tags = [pair async for pair in inventory.tags(driver, name)]

    assert {item.digest for item in found} == {*manifests, Digest.of(b"{}")}
    assert [item.key for item in found] == sorted(item.key for item in found)
    assert {item.digest: item.size for item in found}[Digest.of(b"{}")] == 2
    assert links == [Digest.of(b"{}")]
    assert revisions == manifests
    assert tags == [
        (Tag("one"), Digest.of(child)),
        (Tag("torn"), None),
        (Tag("two"), Digest.of(index([child]))),
    ]


async def test_blobs_of_one_algorithm_after_a_key() -> None:
    async with open_dictionary() as driver:
        digests = [Digest.of(bytes([n]), "sha512") for n in range(5)]
        for digest in [*digests, Digest.of(b"")]:
            await put(driver, layout.blob(digest))
        ordered = sorted(digests, key=str)
        after = layout.blob(ordered[1])

        found = [item.digest async for item in inventory.blobs(driver, after, "sha512")]

    assert found == ordered[2:]


@pytest.mark.parametrize("rest", ["", "sha256/x", f"sha256/ff/{'0' * 64}/data", "md5/00/00/data"])
def test_keys_that_are_no_blobs(rest: str) -> None:
    assert layout.digest_of_blob(layout.BLOBS + rest) is None
