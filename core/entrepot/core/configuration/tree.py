"""A configuration before it has types: what was written, and where."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self, TypeAlias, TypeGuard

Path: TypeAlias = tuple[str | int, ...]
"""The way from the top of the file to a value: keys of sections, indexes of lists."""


class Scalar(str):
    """One value: as text the way it was written, as `value` what YAML makes of it.

    A key whose type is known is read from the text, so that a password of `0123` stays
    what it is; a driver's untyped parameters take the value.
    """

    __slots__ = ("origin", "value")

    origin: str
    value: Any

    def __new__(cls, text: str, value: Any, origin: str) -> Self:
        self = super().__new__(cls, text)
        self.value = value
        self.origin = origin
        return self

    def __getnewargs__(self) -> tuple[str, Any, str]:  # type: ignore[override]  # str's has one
        """What `pickle` calls the class with, for a configuration that goes to a worker."""
        return str(self), self.value, self.origin


class Table(dict[str, "Tree"]):
    """Keys and their values."""

    def __init__(self, origin: str, items: Iterable[tuple[str, Tree]] = ()) -> None:
        super().__init__(items)
        self.origin = origin


class Items(list["Tree"]):
    """A list of values."""

    def __init__(self, origin: str, items: Iterable[Tree] = ()) -> None:
        super().__init__(items)
        self.origin = origin


Tree: TypeAlias = Scalar | Table | Items


def is_null(tree: object) -> bool:
    """Whether nothing was written, which Distribution takes for a key left out."""
    return tree is None or (isinstance(tree, Scalar) and tree.value is None)


def is_mapping(value: object) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(value, Mapping)


def is_list(value: object) -> TypeGuard[Sequence[Any]]:
    """Whether it is a list or the like; text is none."""
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def plain(tree: object) -> Any:
    """The values alone, as dictionaries, lists, text, numbers, booleans and None."""
    if isinstance(tree, Scalar):
        return tree.value
    if is_mapping(tree):
        return {str(key): plain(value) for key, value in tree.items()}
    return [plain(value) for value in tree] if is_list(tree) else tree


def planted(value: object, origin: str) -> Tree:
    """The tree of plain values, all from one place."""
    if isinstance(value, Scalar | Table | Items):
        return value
    if is_mapping(value):
        return Table(origin, ((str(key), planted(below, origin)) for key, below in value.items()))
    if is_list(value):
        return Items(origin, (planted(below, origin) for below in value))
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return Scalar("" if value is None else text, value, origin)


def step(tree: object, key: str | int) -> Tree | None:
    """What stands under a key or an index; None if nothing does."""
    if isinstance(tree, Table) and isinstance(key, str):
        return tree.get(key)
    if isinstance(tree, Items) and isinstance(key, int) and 0 <= key < len(tree):
        return tree[key]
    return None


def origin_at(tree: Tree, path: Path) -> str:
    """Where the value under a path was written, or else the nearest section above it."""
    origin = tree.origin
    below: Tree | None = tree
    for key in path:
        below = step(below, key)
        if below is None:
            break
        origin = below.origin
    return origin


def dotted(path: Path) -> str:
    """A path as people read it: `health.http.0.uri`."""
    return ".".join(map(str, path)) or "(top)"
