"""What is remembered of blobs, and for how long."""

from __future__ import annotations

import pytest

from entrepot.core.descriptors import LINK_SECONDS, Descriptors
from entrepot.core.names import Digest

DIGESTS = [Digest.of(bytes([number])) for number in range(9)]
ONE, OTHER = DIGESTS[:2]


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Shared:
    """Sizes in a dictionary."""

    def __init__(self) -> None:
        self.errors = 3
        self.held: dict[str, int] = {}

    async def get(self, stored: Digest) -> int | None:
        return self.held.get(stored.hex)

    def put(self, stored: Digest, size: int) -> None:
        self.held[stored.hex] = size

    def drop(self, stored: Digest) -> None:
        self.held.pop(stored.hex, None)


def test_link_counts_for_a_short_time() -> None:
    clock = Clock()
    known = Descriptors(10, clock=clock)

    known.keep_link("a", ONE, known.drops)
    clock.now += LINK_SECONDS - 0.001
    assert known.link("a") == ONE
    clock.now += 0.001
    assert known.link("a") is None

    assert (known.hits, known.misses) == (1, 1)


def test_link_that_is_dropped_while_it_is_read_is_not_kept() -> None:
    known = Descriptors(10)
    drops = known.drops

    known.drop_link("a")
    known.keep_link("a", ONE, drops)

    assert known.link("a") is None
    known.keep_link("a", ONE, known.drops)
    assert known.link("a") == ONE
    known.drop_link("a")
    assert known.link("a") is None


def test_the_longest_unused_leaves_first() -> None:
    known = Descriptors(2)
    for digest in (ONE, OTHER):
        known.keep_link(digest.hex, digest, known.drops)
        known.keep_size(digest, 7)

    assert known.size(ONE) == 7
    known.keep_link(ONE.hex, ONE, known.drops)
    third = DIGESTS[2]
    known.keep_link(third.hex, third, known.drops)
    known.keep_size(third, 8)

    assert [known.link(each.hex) for each in DIGESTS[:3]] == [ONE, None, third]
    assert [known.size(each) for each in DIGESTS[:3]] == [7, None, 8]


def test_size_is_for_ever_and_until_it_is_dropped() -> None:
    clock = Clock()
    known = Descriptors(10, clock=clock)

    known.keep_size(ONE, 7)
    clock.now += 1e9
    assert known.size(ONE) == 7
    known.drop_size(ONE)
    assert known.size(ONE) is None


def test_nothing_is_kept_where_no_cache_is_asked_for() -> None:
    known = Descriptors()

    known.keep_link("a", ONE, known.drops)
    known.keep_size(ONE, 7)

    assert known.link("a") is None
    assert known.size(ONE) is None
    assert (known.hits, known.misses) == (0, 0)


@pytest.mark.anyio
async def test_sizes_are_shared() -> None:
    shared = Shared()
    known, other = Descriptors(10, shared), Descriptors(10, shared)

    known.keep_size(ONE, 7)

    assert other.size(ONE) is None
    assert await other.shared_size(ONE) == 7
    other.drop_size(ONE)
    assert await known.shared_size(ONE) is None
    assert known.errors == 3
