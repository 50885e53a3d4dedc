"""What a configuration may contain, read off the models' annotations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import NoneType, UnionType
from typing import Any, TypeAlias, Union, get_args, get_origin

from pydantic import BaseModel, SecretBytes, SecretStr
from pydantic.fields import FieldInfo

from entrepot.core.configuration.model_base import Secret, Section, Variable
from entrepot.core.configuration.tree import Path, Table

Models: TypeAlias = Mapping[str, type[BaseModel]]


@dataclass(frozen=True, slots=True)
class Known:
    """A section with a model; `plugged` are the models of plug-ins' sections, by kind."""

    model: type[BaseModel]
    plugged: Mapping[str, Models] = field(default_factory=dict[str, Models])

    @property
    def others(self) -> Models:
        """Keys that the model does not know, whose sections have models all the same."""
        kind = self.model.plugged if issubclass(self.model, Section) else ""
        return self.plugged.get(kind, {})

    @property
    def is_open(self) -> bool:
        return self.model.model_config.get("extra") == "allow"


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list."""

    item: Shape


@dataclass(frozen=True, slots=True)
class MapOf:
    """A section of free keys whose values are alike."""

    value: Shape


@dataclass(frozen=True, slots=True)
class Free:
    """A section of free keys and values, or anything in it."""

    is_inside: bool = False


@dataclass(frozen=True, slots=True)
class Leaf:
    """One value."""


Shape: TypeAlias = Known | ListOf | MapOf | Free | Leaf


def shape_of(annotation: Any) -> Shape:
    """The shape that a type annotation stands for."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation is Any:
        return Free(is_inside=True)
    if origin in (Union, UnionType):
        inner = [argument for argument in arguments if argument is not NoneType]
        return shape_of(inner[0]) if len(inner) == 1 else Leaf()
    if origin in (tuple, list, frozenset, set):
        return ListOf(shape_of(arguments[0]))
    if origin is dict or annotation is Table:
        free = annotation is Table or arguments[1] is Any
        return Free() if free else MapOf(shape_of(arguments[1]))
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return Known(annotation)
    return Leaf()


def fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The fields of a model under the keys that the file has for them."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def field_shape(field: FieldInfo) -> Shape:
    return shape_of(field.annotation)


def is_secret(field: FieldInfo) -> bool:
    """Whether the model says that nobody may see the value."""
    annotation: Any = field.annotation
    secret = annotation in (SecretStr, SecretBytes)
    return secret or any(isinstance(mark, Secret) for mark in field.metadata)


def words(model: type[BaseModel]) -> dict[str, str]:
    """The keys of a section by the words that stand for them in environment variables."""
    found: dict[str, str] = {}
    for key, one in fields(model).items():
        found |= {mark.word: key for mark in one.metadata if isinstance(mark, Variable)}
        found[key.upper()] = key
    return found


def below(shape: Shape, key: str | int) -> Shape | None:
    """The shape under a key or an index; None: nothing can be there."""
    match shape:
        case Known() if isinstance(key, str):
            return _below_known(shape, key)
        case ListOf() if isinstance(key, int):
            return shape.item
        case MapOf():
            return shape.value
        case Free():
            return Free(is_inside=True)
        case _:
            return None


def _below_known(shape: Known, key: str) -> Shape | None:
    if (found := fields(shape.model).get(key)) is not None:
        inner = field_shape(found)
        return replace(inner, plugged=shape.plugged) if isinstance(inner, Known) else inner
    if (other := shape.others.get(key)) is not None:
        return Known(other)
    return Free() if shape.is_open else None


def shape_at(shape: Shape, path: Path) -> Shape | None:
    """The shape under a path; None: nothing can be there."""
    at: Shape | None = shape
    for key in path:
        at = below(at, key) if at else None
    return at


def known_keys(shape: Shape | None) -> list[str]:
    """The keys that a section may have, as far as they are known."""
    return [*fields(shape.model), *shape.others] if isinstance(shape, Known) else []


def known_paths(model: type[Section], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The paths of all keys with a name; an item of a list has the index 0."""
    for key, one in fields(model).items():
        path = (*above, key)
        yield path
        shape = field_shape(one)
        if isinstance(shape, ListOf):
            path, shape = (*path, "0"), shape.item
        if isinstance(shape, Known) and issubclass(shape.model, Section):
            yield from known_paths(shape.model, path)
