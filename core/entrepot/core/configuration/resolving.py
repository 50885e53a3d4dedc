"""Which key the name of an environment variable stands for.

A name is words joined by `_`. A word is a key in capitals, or the name that Distribution's
source has for it; in lists it is an index. Keys that contain `_` match as many words as they
have; of several keys that match, the longest counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from entrepot.core.configuration.model_base import Section
from entrepot.core.configuration.shape import (
    Free,
    Known,
    Leaf,
    ListOf,
    MapOf,
    Shape,
    below,
    known_keys,
    words,
)
from entrepot.core.configuration.tree import Items, Path, Scalar, Table, Tree, is_null, step
from entrepot.core.errors import ConfigurationError

Words: TypeAlias = tuple[str, ...]

_MOST_WORDS = 50
_MOST_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Target:
    """What a name stands for: where it is and what may be put there."""

    path: Path
    shape: Shape
    is_free: bool  # nothing is known of its type


def resolve(shape: Shape, tree: Tree | None, name: Words, *, create: bool = True) -> Target | None:
    """The key of a name; None if there is none that could have it.

    With `create`, free sections get keys that they do not have yet.

    Raises ConfigurationError: if an index leaves a gap, or a value is where a section would
    have to be.
    """
    words_alone = tuple("_".join(name).replace("-", "_").split("_", _MOST_WORDS))
    if len(words_alone) > _MOST_WORDS or not all(words_alone):
        return None
    return _Resolution(create).at(shape, tree, words_alone, ())


@dataclass(frozen=True, slots=True)
class _Resolution:
    create: bool

    def at(self, shape: Shape, tree: Tree | None, name: Words, path: Path) -> Target | None:
        if not name:
            inside = isinstance(shape, Free) and shape.is_inside
            return Target(path, Leaf() if inside else shape, is_free=inside)
        match shape:
            case Known():
                return self._in_section(shape, tree, name, path)
            case ListOf():
                return self._in_list(shape, tree, name, path)
            case MapOf():
                return self._in_map(shape, tree, name, path)
            case Free():
                return self._in_free(shape, tree, name, path)
            case Leaf():
                return None

    def _in_section(
        self, shape: Known, tree: Tree | None, name: Words, path: Path
    ) -> Target | None:
        if (found := self._by_key(words(shape.model), shape, tree, name, path)) is not None:
            return found
        if issubclass(shape.model, Section) and name[0] == shape.model.inlined:
            return self.at(shape, tree, name[1:], path) if name[1:] else None
        return self._in_free(shape, tree, name, path) if shape.is_open else None

    def _by_key(
        self, keys: Mapping[str, str], shape: Shape, tree: Tree | None, name: Words, path: Path
    ) -> Target | None:
        """The first that fits, of keys that match the beginning of a name, the longest first."""
        for count in range(len(name), 0, -1):
            key = keys.get("_".join(name[:count]))
            found = self._under(shape, tree, key, name[count:], path) if key is not None else None
            if found is not None:
                return found
        return None

    def _under(
        self, shape: Shape, tree: Tree | None, key: str | int, rest: Words, path: Path
    ) -> Target | None:
        inner = below(shape, key)
        return self.at(inner, step(tree, key), rest, (*path, key)) if inner else None

    def _in_list(
        self, shape: ListOf | Free, tree: Tree | None, name: Words, path: Path
    ) -> Target | None:
        if not (name[0].isascii() and name[0].isdigit() and len(name[0]) <= _MOST_DIGITS):
            return None
        index, length = int(name[0]), len(tree) if isinstance(tree, Items) else 0
        if index > length:
            raise ConfigurationError(
                f"index {index} leaves a gap in a list of {length}; the next one is {length}"
            )
        inner = shape.item if isinstance(shape, ListOf) else Free(is_inside=True)
        return self.at(inner, step(tree, index), name[1:], (*path, index))

    def _in_map(self, shape: MapOf, tree: Tree | None, name: Words, path: Path) -> Target | None:
        rest: Words = ()
        if isinstance(shape.value, ListOf) and len(name) > 1 and name[-1].isdigit():
            name, rest = name[:-1], name[-1:]
        key = _by_word(tree).get("_".join(name)) or "-".join(name).lower()
        return self._under(shape, tree, key, rest, path)

    def _in_free(
        self, shape: Known | Free, tree: Tree | None, name: Words, path: Path
    ) -> Target | None:
        if isinstance(tree, Items) and isinstance(shape, Free):
            return self._in_list(shape, tree, name, path)
        if isinstance(tree, Scalar) and not is_null(tree):
            if not self.create:
                return None
            raise ConfigurationError("there is a value where a section is needed; remove one")
        keys = {**_by_word(known_keys(shape)), **_by_word(tree)}
        if (found := self._by_key(keys, shape, tree, name, path)) is not None:
            return found
        if not self.create:
            return None
        return self._under(shape, tree, name[0].lower(), name[1:], path)


def _by_word(keys: Tree | list[str] | None) -> Mapping[str, str]:
    """Keys by the words for them, which cannot have dashes everywhere."""
    written = keys if isinstance(keys, Table | list) else ()
    return {str(key).upper().replace("-", "_"): str(key) for key in written}
