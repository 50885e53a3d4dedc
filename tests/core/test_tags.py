"""Tags: in the order of their names, only those that point to something."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.stores import NAME, keys, open_memory, open_repository, put
from tests.core.testing.dictionary import DictionaryDriver

from entrepot.core import layout
from entrepot.core.driver import Driver
from entrepot.core.errors import ManifestUnknownError
from entrepot.core.names import Digest, Tag
from entrepot.core.registry import Repository
from entrepot.core.tags import Page

pytestmark = pytest.mark.anyio

ONE, TWO = Digest.of(b"1"), Digest.of(b"2")
NAMES = st.text("a1-.", min_size=1, max_size=4).filter(lambda text: text[0] not in "-.")
"""Names that are often a continuation of each other with what is less than `/`."""


@pytest.fixture
async def driver() -> AsyncGenerator[Driver, None]:
    async with open_memory() as driver:
        yield driver


@pytest.fixture
async def repository(driver: Driver) -> AsyncGenerator[Repository, None]:
    async with open_repository(driver) as repository:
        yield repository


async def listed(names: set[str], after: str, limit: int | None) -> Page:
    """A page of a repository that has these tags."""
    driver = DictionaryDriver({})
    for name in names:
        await put(driver, layout.tag_link(NAME, Tag(name)), str(ONE).encode())
    async with open_repository(driver) as repository:
        return await repository.tags.page(after, limit)


@given(
    names=st.sets(NAMES, max_size=12),
    after=NAMES | st.just("") | st.text("a1-./,~", max_size=4),
    limit=st.integers(0, 13) | st.none(),
)
def test_page_is_a_stretch_of_the_sorted_names(
    names: set[str], after: str, limit: int | None
) -> None:
    wanted = sorted(name for name in names if name > after)

    page = asyncio.run(listed(names, after, limit))

    assert page.names == wanted[:limit]
    assert page.more == (limit is not None and len(wanted) > limit)


@given(names=st.sets(NAMES, min_size=1, max_size=12), limit=st.integers(1, 5))
def test_pages_follow_each_other_without_gap_or_repetition(names: set[str], limit: int) -> None:
    async def all_pages() -> list[str]:
        found: list[str] = []
        page = await listed(names, "", limit)
        while page.more:
            found += page.names
            page = await listed(names, page.names[-1], limit)
        return found + page.names

    assert asyncio.run(all_pages()) == sorted(names)


async def test_page_of_more_tags_than_are_read_at_once(repository: Repository) -> None:
    names = sorted(f"v{number}{end}" for number in range(70) for end in ("", "-alpine", ".1"))
    for name in names:
        await repository.tags.set(Tag(name), ONE)

    assert (await repository.tags.page()).names == names
    assert (await repository.tags.page("v33", 100)).names == names[names.index("v33") + 1 :][:100]


async def test_page_of_a_repository_without_tags_is_empty(repository: Repository) -> None:
    assert await repository.tags.page() == Page([], more=False)
    assert await repository.tags.page("a", 5) == Page([], more=False)


@pytest.mark.parametrize(
    "link",
    [None, b"", b"sha256:0123", bytes(71), b"no digest", b"md5:" + b"0" * 32, bytes(5000)],
    ids=["only history", "empty", "torn", "zeros", "words", "algorithm", "long"],
)
async def test_half_made_tag_is_absent(
    repository: Repository, driver: Driver, link: bytes | None
) -> None:
    await repository.tags.set(Tag("a"), ONE)
    await repository.tags.set(Tag("c"), ONE)
    await put(driver, layout.tag_history(NAME, Tag("b"), ONE), str(ONE).encode())
    if link is not None:
        await put(driver, layout.tag_link(NAME, Tag("b")), link)

    assert (await repository.tags.page(limit=2)).names == ["a", "c"]
    assert await repository.tags.find(Tag("b")) is None
    with pytest.raises(ManifestUnknownError):
        await repository.tags.delete(Tag("b"))


async def test_half_made_tags_do_not_shorten_a_page(repository: Repository, driver: Driver) -> None:
    for number in range(200):
        await put(driver, layout.tag_link(NAME, Tag(f"a{number}")), b"")
    await repository.tags.set(Tag("b"), ONE)
    await repository.tags.set(Tag("c"), ONE)

    assert await repository.tags.page(limit=1) == Page(["b"], more=True)
    assert await repository.tags.page("b", limit=1) == Page(["c"], more=False)


async def test_link_that_ends_in_a_newline_counts(repository: Repository, driver: Driver) -> None:
    await put(driver, layout.tag_link(NAME, Tag("a")), f"{ONE}\n".encode())

    assert await repository.tags.get(Tag("a")) == ONE


async def test_set_moves_the_tag_and_keeps_its_history(
    repository: Repository, driver: Driver
) -> None:
    await repository.tags.set(Tag("a"), ONE)
    await repository.tags.set(Tag("a"), TWO)

    assert await repository.tags.get(Tag("a")) == TWO
    assert await keys(driver) == sorted(
        [
            layout.tag_link(NAME, Tag("a")),
            layout.tag_history(NAME, Tag("a"), ONE),
            layout.tag_history(NAME, Tag("a"), TWO),
        ]
    )


async def test_delete_removes_the_tag_with_its_history_and_no_other(
    repository: Repository, driver: Driver
) -> None:
    await repository.tags.set(Tag("a"), ONE)
    await repository.tags.set(Tag("a-b"), ONE)
    await repository.tags.set(Tag("ab"), ONE)
    await repository.tags.set(Tag("a"), TWO)

    await repository.tags.delete(Tag("a"))

    assert (await repository.tags.page()).names == ["a-b", "ab"]
    assert await keys(driver, layout.tag(NAME, Tag("a"))) == []
    with pytest.raises(ManifestUnknownError):
        await repository.tags.delete(Tag("a"))


async def test_untag_removes_the_tags_of_one_digest(repository: Repository, driver: Driver) -> None:
    for name in ("b", "a", "a-1"):
        await repository.tags.set(Tag(name), ONE)
    await repository.tags.set(Tag("a"), TWO)
    await repository.tags.set(Tag("c"), TWO)

    assert await repository.tags.untag(ONE) == [Tag("a-1"), Tag("b")]

    assert (await repository.tags.page()).names == ["a", "c"]
    assert await keys(driver, layout.tag(NAME, Tag("b"))) == []
