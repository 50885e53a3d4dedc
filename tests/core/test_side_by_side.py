"""Requests side by side on one store, in every order that the store can tell apart."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.interleaving import Turns, TurnsDriver, every_order
from tests.core.stores import NAME, chunks, index, open_repository, read_blob
from tests.core.testing.dictionary import DictionaryDriver

from entrepot.core import layout
from entrepot.core.errors import ManifestUnknownError, ProtocolError
from entrepot.core.manifest import Manifest
from entrepot.core.names import Digest, Reference, Tag
from entrepot.core.registry import Repository, Rules
from entrepot.core.uploads import UploadSession

pytestmark = pytest.mark.anyio

T, U = Tag("t"), Tag("u")
UNVERIFIED = Rules(verify_references=False)
CONTENT, OTHER = index(), index(annotations={"a": "other"})
DIGEST = Digest.of(CONTENT)


async def push_earlier(repository: Repository) -> None:
    """With its first push a registry learns that nothing is being collected."""
    await repository.blobs.put(Digest.of(b"earlier"), chunks(b"earlier"))


async def assert_not_dangling(repository: Repository, *tags: Tag) -> None:
    for tag in tags:
        digest = await repository.tags.find(tag)
        assert digest is None or await repository.manifests.has(digest), f"{tag} dangles"


@pytest.mark.parametrize("tag", [T, U], ids=["same tag", "new tag"])
@pytest.mark.parametrize("before", [DIGEST, T], ids=["without tag", "with tag"])
async def test_push_and_deletion_side_by_side_leave_no_tag_dangling(
    tag: Tag, before: Reference
) -> None:
    outcomes: set[tuple[bool, bool]] = set()

    async def case(turns: Turns) -> None:
        driver = TurnsDriver(DictionaryDriver({}), turns)
        async with (
            open_repository(driver, UNVERIFIED) as first,
            open_repository(driver, UNVERIFIED) as second,
        ):
            await first.manifests.put(before, CONTENT, None)
            done = await turns.run(
                first.manifests.put(tag, CONTENT, None), second.manifests.delete(DIGEST)
            )
            assert not [each for each in done if isinstance(each, Exception)]
            await assert_not_dangling(first, T, U)
            tagged = await first.tags.find(tag) is not None
            outcomes.add((tagged, await first.manifests.has(DIGEST)))

    assert await every_order(case) > 20
    assert {(True, True), (False, False)} <= outcomes, "each may come before the other"


async def test_push_by_digest_and_deletion_side_by_side_leave_no_tag_dangling() -> None:
    async def case(turns: Turns) -> None:
        driver = TurnsDriver(DictionaryDriver({}), turns)
        async with (
            open_repository(driver, UNVERIFIED) as first,
            open_repository(driver, UNVERIFIED) as second,
        ):
            await first.manifests.put(DIGEST, CONTENT, None)
            await turns.run(
                first.manifests.put(DIGEST, CONTENT, None, [T]), second.manifests.delete(DIGEST)
            )
            await assert_not_dangling(first, T, U)

    assert await every_order(case) > 20


@given(order=st.lists(st.integers(0, 2), max_size=60))
def test_two_deletions_and_a_push_side_by_side_leave_no_tag_dangling(order: list[int]) -> None:
    async def case(turns: Turns) -> None:
        driver = TurnsDriver(DictionaryDriver({}), turns)
        async with open_repository(driver, UNVERIFIED) as repository:
            await repository.manifests.put(DIGEST, CONTENT, None)
            done = await turns.run(
                repository.manifests.put(T, CONTENT, None),
                repository.manifests.delete(DIGEST),
                repository.manifests.delete(DIGEST),
            )
            assert isinstance(done[0], Manifest)
            assert all(isinstance(each, ManifestUnknownError | list) for each in done[1:])
            await assert_not_dangling(repository, T)

    asyncio.run(case(Turns(order)))


async def test_two_pushes_of_one_tag_side_by_side_leave_one_of_them() -> None:
    async def case(turns: Turns) -> None:
        driver = TurnsDriver(DictionaryDriver({}), turns)
        async with open_repository(driver, UNVERIFIED) as repository:
            await push_earlier(repository)
            await turns.run(
                repository.manifests.put(T, CONTENT, None), repository.manifests.put(T, OTHER, None)
            )
            assert (await repository.manifests.get(T)).content in {CONTENT, OTHER}
            for content in (CONTENT, OTHER):
                await repository.manifests.get(Digest.of(content))

    assert await every_order(case) > 1


async def test_tag_that_is_pushed_behind_its_deletion_stays() -> None:
    async def case(turns: Turns) -> None:
        driver = TurnsDriver(DictionaryDriver({}), turns)
        async with open_repository(driver, UNVERIFIED) as repository:
            await repository.manifests.put(T, CONTENT, None)
            await turns.run(repository.manifests.put(T, OTHER, None), repository.tags.delete(T))
            changes = [
                step.verb
                for step in turns.steps
                if layout.tag_link(NAME, T) in step.keys and step.verb != "read"
            ]
            found = await repository.tags.find(T)
            assert found == (Digest.of(OTHER) if changes[-1] == "write" else None)

    assert await every_order(case) > 3


# -- two sessions of one upload -----------------------------------------------------------------

HELD, MORE = b"held, ", b"more"
WHOLE = HELD + MORE


async def commit(session: UploadSession) -> None:
    await session.commit(Digest.of(HELD))


async def commit_more(session: UploadSession) -> None:
    await session.commit(Digest.of(WHOLE), chunks(MORE), len(HELD))


async def append(session: UploadSession) -> None:
    await session.append(chunks(MORE), len(HELD))


async def cancel(session: UploadSession) -> None:
    await session.cancel()


PAIRS: dict[str, tuple[Callable[[UploadSession], Coroutine[Any, Any, None]], ...]] = {
    "append and append": (append, append),
    "append and commit": (append, commit),
    "append and cancel": (append, cancel),
    "commit and commit": (commit, commit),
    "commit with body, twice": (commit_more, commit_more),
    "commit and append": (commit_more, append),
    "commit and cancel": (commit, cancel),
    "cancel and cancel": (cancel, cancel),
}


@pytest.mark.parametrize("pair", PAIRS)
async def test_two_sessions_side_by_side_make_no_wrong_blob(pair: str) -> None:
    """Whoever loses is told so in the protocol's words, and never by a 5xx."""

    async def case(turns: Turns) -> None:
        store = DictionaryDriver({})
        async with open_repository(TurnsDriver(store, turns)) as repository:
            await push_earlier(repository)
            started = await repository.uploads.start()
            await started.append(chunks(HELD))
            sessions = [await repository.uploads.find(started.id) for _ in PAIRS[pair]]
            done = await turns.run(
                *(act(session) for act, session in zip(PAIRS[pair], sessions, strict=True))
            )
            for answer in done:
                assert answer is None or isinstance(answer, ProtocolError), repr(answer)
            for content in (HELD, WHOLE):
                if await repository.blobs.has(Digest.of(content)):
                    assert await read_blob(repository, Digest.of(content)) == content

    assert await every_order(case) > 1
