"""Where a listing goes on: what a client names, as a place that a store may be asked about."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from entrepot.core.errors import KeyInvalidError
from entrepot.core.guard import check_key, comparable


def is_key(text: str) -> bool:
    try:
        check_key(text)
    except KeyInvalidError:
        return False
    return True


@given(
    st.text("-./0Z_az", min_size=1, max_size=6),
    st.text("-./0Z_az+~:@[`é\0", max_size=6),
)
def test_comparable_place_orders_keys_like_the_place_itself(key: str, after: str) -> None:
    assume(is_key(key))

    assert (key > comparable(after)) == (key > after)


@pytest.mark.parametrize("after", ["é", "~", "a/b+c", "a/b~" * 900, "x" * 5000, "a\0", "+"])
def test_comparable_place_has_a_keys_characters_and_length(after: str) -> None:
    place = comparable(after)

    assert len(place) <= 1024
    assert set(place) <= set("-./0123456789_") | {chr(c) for c in (*range(65, 91), *range(97, 123))}


@pytest.mark.parametrize("after", ["", "a", "a/", "a/b-c.d", "//", "../x"])
def test_comparable_place_is_the_place_where_it_can_be(after: str) -> None:
    assert comparable(after) == after
