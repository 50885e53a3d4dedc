"""The catalogue: repositories that hold a manifest, in the order of their names' parts."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.stores import open_memory, put

from entrepot.core import layout
from entrepot.core.catalogue import repositories
from entrepot.core.driver import Driver
from entrepot.core.names import Digest, RepositoryName, Tag
from entrepot.core.registry import Rules, open_registry

DIGEST = Digest.of(b"1")
PARTS = st.text("a1-.", min_size=1, max_size=3).filter(
    lambda text: text[0] not in "-." and text[-1] not in "-." and ".." not in text
)
NAMES = st.lists(PARTS, min_size=1, max_size=3).map("/".join)


async def hold(driver: Driver, name: str) -> None:
    """Make the repository hold a manifest."""
    key = layout.revision_link(RepositoryName(name), DIGEST)
    await put(driver, key, str(DIGEST).encode())


async def catalogue(names: set[str], after: str = "") -> list[str]:
    async with open_memory() as driver:
        for name in names:
            await hold(driver, name)
        return [name async for name in repositories(driver, after)]


@given(names=st.sets(NAMES, max_size=10), after=NAMES | st.just(""))
def test_catalogue_is_in_the_order_of_the_names_parts(names: set[str], after: str) -> None:
    ordered = sorted(names | {after}, key=lambda name: name.split("/"))
    wanted = [name for name in ordered[ordered.index(after) + 1 :] if name in names]

    assert asyncio.run(catalogue(names, after)) == wanted


@pytest.mark.parametrize("after", ["", "/", "a/", "a//b", "_layers", "a/_manifests", "A", "a b"])
def test_catalogue_after_what_is_no_name_of_a_repository(after: str) -> None:
    names = {"a", "a/b", "a-c", "b"}
    ordered = sorted(names, key=lambda name: name.split("/"))

    found = asyncio.run(catalogue(names, after))

    assert found == [name for name in ordered if name.split("/") > after.split("/")]


@pytest.mark.anyio
async def test_catalogue_leaves_out_repositories_without_a_manifest() -> None:
    async with open_memory() as driver:
        name = RepositoryName("only/blobs")
        await put(driver, layout.layer_link(name, DIGEST), str(DIGEST).encode())
        await put(driver, layout.tag_link(name, Tag("x")), str(DIGEST).encode())
        await hold(driver, "only/blobs/below")
        await hold(driver, "whole")

        assert [name async for name in repositories(driver)] == ["only/blobs/below", "whole"]


@pytest.mark.anyio
async def test_repository_leaves_the_catalogue_with_its_last_manifest() -> None:
    content = b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json"'
    content += b',"manifests":[]}'
    async with open_memory() as driver, open_registry(driver, Rules()) as registry:
        repository = registry.repository(RepositoryName("a/b"))
        stored = await repository.manifests.put(Tag("x"), content, None)
        assert [name async for name in registry.repositories()] == ["a/b"]

        await repository.manifests.delete(stored.digest)

        assert [name async for name in registry.repositories()] == []
