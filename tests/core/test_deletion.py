"""Deletion of a repository: all of it and nothing else, whoever dies or pushes meanwhile."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from tests.core.interleaving import Turns, TurnsDriver
from tests.core.stores import (
    CONFIG,
    NAME,
    chunks,
    image,
    index,
    keys,
    open_memory,
    put,
    upload,
    verify,
)
from tests.core.test_faults import Died, Dying
from tests.core.testing.dictionary import DictionaryDriver

from entrepot.core import layout
from entrepot.core.access import DeniedError
from entrepot.core.configuration.model_tags import TagRule
from entrepot.core.deletion import Content, content_of, delete_repository, mend
from entrepot.core.driver import Driver
from entrepot.core.errors import NameUnknownError, ProtocolError
from entrepot.core.manifest import Manifest
from entrepot.core.names import Digest, RepositoryName, Tag
from entrepot.core.registry import Registry, Rules, open_registry
from entrepot.core.tag_rules import TagRules
from entrepot.core.testing.faults import When

pytestmark = pytest.mark.anyio

BELOW = RepositoryName("team/app/below")
ELSEWHERE = RepositoryName("team/appendix")
LAYER = b"layer"
IMAGE = image([LAYER])
SIGNED = image([LAYER], annotations={"a": "signed"})
RULES = Rules(verify_references=False)
T, U = Tag("t"), Tag("u")
ORDERS = 150


async def fill(registry: Registry, name: RepositoryName = NAME) -> None:
    """Two tags, an index of an image, a referrer, an upload, and something unknown."""
    repository = registry.repository(name)
    for content in (CONFIG, LAYER):
        await repository.blobs.put(Digest.of(content), chunks(content))
    await repository.manifests.put(T, IMAGE, None)
    await repository.manifests.put(U, index([IMAGE]), None)
    subject = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "size": len(IMAGE)}
    attached = image([LAYER], subject=subject | {"digest": str(Digest.of(IMAGE))})
    await repository.manifests.put(Digest.of(attached), attached, None)
    await upload(repository, b"begun")
    await put(registry.driver, layout.repository(name) + "_strange/object")


async def own(driver: Driver, name: RepositoryName = NAME) -> list[str]:
    return await keys(driver, layout.repository(name) + "_")


@asynccontextmanager
async def opened(driver: Driver, rules: Rules = RULES) -> AsyncGenerator[Registry, None]:
    async with open_registry(driver, rules) as registry:
        yield registry


async def test_all_of_a_repository_goes_and_nothing_else() -> None:
    gone = 0

    def advance(more: int) -> None:
        nonlocal gone
        gone += more

    async with open_memory() as driver, opened(driver) as registry:
        for name in (NAME, BELOW, ELSEWHERE):
            await fill(registry, name)
        before = await keys(driver)
        assert await content_of(driver, NAME) == Content(2, 3, 2, 1)

        await delete_repository(registry, NAME, advance)

        assert await mend(registry, NAME) == 0
        assert await own(driver) == []
        left = await keys(driver)
        assert [key for key in before if key not in left] == [
            key for key in before if key.startswith(layout.repository(NAME) + "_")
        ]
        assert gone > 10
        for name in (BELOW, ELSEWHERE):
            assert set(await verify(registry, name)) == {"t", "u"}
        with pytest.raises(NameUnknownError, match="no repository team/app"):
            await content_of(driver, NAME)


async def test_immutable_tag_keeps_its_whole_repository() -> None:
    fixed = TagRules([TagRule(repositories=("**",), immutable=("u",))])
    async with open_memory() as driver, opened(driver, replace(RULES, tags=fixed)) as registry:
        await fill(registry)
        before = await keys(driver)

        with pytest.raises(DeniedError, match="tag u of team/app is immutable"):
            await delete_repository(registry, NAME)

        assert await keys(driver) == before


@pytest.mark.parametrize("when", ["before", "after"])
async def test_killed_at_any_operation_no_tag_dangles_and_the_next_run_ends_it(when: When) -> None:
    last, died = 0, True
    while died:
        last += 1
        store = DictionaryDriver({})
        async with opened(store) as registry:
            await fill(registry)
        try:
            async with opened(Dying(store, last, when)) as registry:
                await delete_repository(registry, NAME)
            died = False
        except Died:
            pass
        async with opened(store) as registry:
            assert set(await verify(registry, NAME)) <= {"t", "u"}, f"killed at operation {last}"
            await delete_repository(registry, NAME)
            assert await own(store) == []

    assert last > 10


async def _push(registry: Registry) -> Manifest:
    """An image whose blobs are in the repository already, as HEAD told the client."""
    return await registry.repository(NAME).manifests.put(Tag("new"), SIGNED, None)


async def _push_index(registry: Registry) -> Manifest:
    return await registry.repository(NAME).manifests.put(Tag("new"), index([IMAGE]), None)


@pytest.mark.parametrize("push", [_push, _push_index])
async def test_push_that_comes_behind_is_whole(
    push: Callable[[Registry], Coroutine[Any, Any, Manifest]],
) -> None:
    """A push beside the deletion is gone, is whole, or was refused in the protocol's words."""
    outcomes: set[str] = set()

    async def case(turns: Turns) -> None:
        driver = TurnsDriver(DictionaryDriver({}), turns)
        async with opened(driver) as deleting, opened(driver, Rules()) as serving:
            await fill(deleting)
            pushed, deleted = await turns.run(push(serving), delete_repository(deleting, NAME))
            assert deleted is None, deleted
            await mend(deleting, NAME)
            found = await verify(deleting, NAME)
            if not isinstance(pushed, Manifest):
                assert isinstance(pushed, ProtocolError), pushed
                assert found == {}
                outcomes.add("refused")
            elif found:
                assert found == {"new": pushed.digest}
                for child in pushed.manifests:
                    manifest = await serving.repository(NAME).manifests.get(
                        Digest.parse(child.digest)
                    )
                    for blob in manifest.blobs:
                        assert await serving.repository(NAME).blobs.has(Digest.parse(blob.digest))
                outcomes.add("whole")
            else:
                outcomes.add("gone")

    draw = random.Random(1)
    orders = [[draw.randrange(2) for _ in range(60)] for _ in range(ORDERS)]
    for order in ([], [1] * 200, *orders):
        await case(Turns(order))

    assert outcomes == {"refused", "whole", "gone"}
