"""Immutable tags: the first push wins, whoever else pushes or deletes."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
from tests.core.interleaving import Turns, TurnsDriver, every_order
from tests.core.stores import NAME, index, keys, open_repository, put
from tests.core.testing.dictionary import DictionaryDriver

from entrepot.core import layout
from entrepot.core.access import DeniedError
from entrepot.core.configuration.model_tags import TagRule
from entrepot.core.driver import Driver
from entrepot.core.errors import UnsupportedError
from entrepot.core.names import Digest, RepositoryName, Tag
from entrepot.core.registry import Repository, Rules
from entrepot.core.tag_rules import Immutable, TagRules

pytestmark = pytest.mark.anyio

T, MOVING = Tag("v1"), Tag("moving")
CONTENT, OTHER = index(), index(annotations={"a": "other"})
DIGEST, OTHERS = Digest.of(CONTENT), Digest.of(OTHER)


def rules(*given: TagRule) -> Rules:
    return Rules(verify_references=False, tags=TagRules(given))


FIXED = TagRule(repositories=("team/*",), immutable=("v*",))
DELETABLE = TagRule(repositories=("**",), immutable=("v1",), deletable=True)


@pytest.fixture
def driver() -> Driver:
    return DictionaryDriver({})


@pytest.fixture
async def repository(driver: Driver) -> AsyncGenerator[Repository, None]:
    async with open_repository(driver, rules(FIXED)) as repository:
        yield repository


async def test_moving_an_immutable_tag_is_refused_and_leaves_nothing(
    repository: Repository, driver: Driver
) -> None:
    await repository.manifests.put(T, CONTENT, None)
    before = await keys(driver)

    with pytest.raises(DeniedError) as refused:
        await repository.manifests.put(T, OTHER, None)

    assert refused.value.message == (
        f"tag v1 of team/app is immutable (policy.tags.0: v*) and points to {DIGEST}; "
        "push under another tag"
    )
    assert await repository.tags.find(T) == DIGEST
    assert await keys(driver) == before


async def test_same_manifest_again_is_taken(repository: Repository, driver: Driver) -> None:
    await repository.manifests.put(T, CONTENT, None)
    before = await keys(driver)

    await repository.manifests.put(T, CONTENT, None)
    await repository.manifests.put(DIGEST, CONTENT, None, [T, Tag("v2")])

    assert await repository.tags.find(T) == await repository.tags.find(Tag("v2")) == DIGEST
    assert set(before) < set(await keys(driver))


async def test_other_tags_and_repositories_move(driver: Driver) -> None:
    async with open_repository(driver, rules(FIXED)) as repository:
        for content in (CONTENT, OTHER):
            await repository.manifests.put(MOVING, content, None)
        assert await repository.tags.find(MOVING) == OTHERS
    assert TagRules([FIXED]).immutable(RepositoryName("team/deep/app"), "v1") is None


async def test_what_was_pushed_before_the_rule_stays(driver: Driver) -> None:
    async with open_repository(driver, rules()) as repository:
        await repository.manifests.put(T, CONTENT, None)

    async with open_repository(driver, rules(FIXED)) as repository:
        with pytest.raises(DeniedError):
            await repository.manifests.put(T, OTHER, None)


@pytest.mark.parametrize("torn", [b"", b"sha256:0123"])
async def test_damaged_link_is_healed_by_the_next_push(
    repository: Repository, driver: Driver, torn: bytes
) -> None:
    await put(driver, layout.tag_link(NAME, T), torn)

    await repository.manifests.put(T, CONTENT, None)

    assert await repository.tags.find(T) == DIGEST


async def test_deleting_it_is_refused_by_tag_and_by_digest(
    repository: Repository, driver: Driver
) -> None:
    await repository.manifests.put(MOVING, CONTENT, None)
    await repository.manifests.put(T, CONTENT, None)
    before = await keys(driver)

    with pytest.raises(DeniedError, match=r"immutable \(policy.tags.0: v\*\) and stays"):
        await repository.tags.delete(T)
    with pytest.raises(DeniedError):
        await repository.manifests.delete(DIGEST)

    assert await keys(driver) == before
    await repository.tags.delete(MOVING)


async def test_rule_lets_it_be_deleted_and_then_it_may_point_elsewhere(driver: Driver) -> None:
    async with open_repository(driver, rules(FIXED, DELETABLE)) as repository:
        await repository.manifests.put(T, CONTENT, None)
        await repository.manifests.put(Tag("v2"), OTHER, None)

        await repository.tags.delete(T)
        await repository.manifests.put(T, OTHER, None)
        with pytest.raises(DeniedError):
            await repository.tags.delete(Tag("v2"))

        assert await repository.tags.find(T) == OTHERS
    assert TagRules([FIXED, DELETABLE]).immutable(NAME, "v1") == Immutable(0, "v*", deletable=True)


async def test_manifest_that_a_tag_points_to_stays_where_tags_may_not_be_deleted(
    driver: Driver,
) -> None:
    async with open_repository(driver, rules()) as repository:
        await repository.manifests.put(MOVING, CONTENT, None)
        await repository.manifests.put(OTHERS, OTHER, None)

        with pytest.raises(UnsupportedError, match=r"moving points to it.*storage.delete.tags"):
            await repository.manifests.delete(DIGEST, untag=False)
        await repository.manifests.delete(OTHERS, untag=False)

        assert await repository.manifests.has(DIGEST)
        assert not await repository.manifests.has(OTHERS)


async def test_one_of_two_first_pushes_wins_in_every_order() -> None:
    """Who is told that it was pushed finds it so, for ever; the other one is refused."""
    winners: set[Digest] = set()

    async def case(turns: Turns) -> None:
        driver = TurnsDriver(DictionaryDriver({}), turns)
        async with (
            open_repository(driver, rules(FIXED)) as first,
            open_repository(driver, rules(FIXED)) as second,
        ):
            done = await turns.run(
                first.manifests.put(T, CONTENT, None), second.manifests.put(T, OTHER, None)
            )
            refused = [isinstance(one, DeniedError) for one in done]
            assert sorted(refused) == [False, True], done
            winner = OTHERS if refused[0] else DIGEST
            assert await first.tags.find(T) == winner
            assert await first.manifests.has(winner)
            history = await keys(driver, layout.tag(NAME, T) + "index/")
            assert history == [layout.tag_history(NAME, T, winner)]
            winners.add(winner)

    assert await every_order(case) > 5  # the tag alone is where they meet
    assert winners == {DIGEST, OTHERS}, "either may come first"


@pytest.mark.parametrize("before", [DIGEST, MOVING], ids=["untagged", "tagged"])
async def test_first_push_beside_a_deletion_of_its_manifest_is_kept(before: Tag | Digest) -> None:
    """In every order, the tag that was pushed points to a manifest that is there."""
    refused: set[bool] = set()

    async def case(turns: Turns) -> None:
        driver = TurnsDriver(DictionaryDriver({}), turns)
        async with (
            open_repository(driver, rules(FIXED)) as first,
            open_repository(driver, rules(FIXED)) as second,
        ):
            await first.manifests.put(before, CONTENT, None)
            pushed, deleted = await turns.run(
                first.manifests.put(T, CONTENT, None), second.manifests.delete(DIGEST)
            )
            assert not isinstance(pushed, Exception)
            assert await first.tags.find(T) == DIGEST
            assert await first.manifests.has(DIGEST)
            refused.add(isinstance(deleted, DeniedError))

    assert await every_order(case) > 20
    assert refused == {False, True}
