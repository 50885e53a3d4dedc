"""Names of variables find their keys, whatever is in the file."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from entrepot.core.configuration import Configuration
from entrepot.core.configuration.environment import names, place
from entrepot.core.configuration.resolving import resolve
from entrepot.core.configuration.shape import Known
from entrepot.core.configuration.tree import Scalar, Table, step

EVERY_NAME = sorted(names())


def test_names_are_unlike() -> None:
    assert len(EVERY_NAME) > 150
    assert len(set(EVERY_NAME)) == len(EVERY_NAME)


@given(st.sampled_from(EVERY_NAME))
def test_every_name_finds_its_key_in_an_empty_file(name: str) -> None:
    words = tuple(name.removeprefix("REGISTRY_").split("_"))

    target = resolve(Known(Configuration), Table(""), words)

    assert target is not None
    assert tuple(str(key).upper() for key in target.path) == words


KEYS = st.lists(st.from_regex(r"[abc]{1,2}(_[abc])?", fullmatch=True), min_size=1, max_size=4).map(
    tuple
)


@given(st.lists(KEYS, min_size=1, max_size=4))
def test_free_key_that_was_placed_is_found_again(paths: list[tuple[str, ...]]) -> None:
    tree = Table("")
    for path in paths:
        place(tree, ("log", "fields", *path), Scalar("1", 1, ""))

    words = ("LOG", "FIELDS", *"_".join(paths[-1]).upper().split("_"))
    target = resolve(Known(Configuration), tree, words, create=False)

    if is_placed(tree, paths[-1]):
        assert target is not None
        assert "_".join(map(str, target.path)).upper() == "_".join(words)
        assert is_placed(tree, target.path[2:])


def is_placed(tree: Table, path: tuple[str | int, ...]) -> bool:
    at: Any = tree
    for key in ("log", "fields", *path):
        at = step(at, key)
    return at is not None
