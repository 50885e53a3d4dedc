"""The parameters of a driver as its documentation shows them, read off its options model."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ByteSize, SecretBytes, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from entrepot.core.configuration.durations import Duration
from entrepot.core.configuration.environment import PREFIX
from entrepot.core.configuration.model_base import Variable
from entrepot.core.configuration.shape import fields, is_secret

_WORDS: Mapping[Any, str] = {
    bool: "true or false",
    int: "whole number",
    float: "number",
    str: "text",
    bytes: "text",
    Any: "any value",
    ByteSize: "size, like 8MiB",
    Duration: "duration, like 30s",
    SecretStr: "text",
    SecretBytes: "text",
}
_BLOCK = re.compile(
    r"(<!-- parameters: (?P<name>[^\s]+) -->\n).*?(<!-- /parameters -->)", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One key of a driver's section, in words for people."""

    key: str  # with dots where it is in a section below
    type: str
    default: str  # as a file would have it; "" if there is none
    required: bool
    meaning: str
    variable: str  # of the environment


def parameters(name: str, options: type[BaseModel]) -> list[Parameter]:
    """The parameters of the driver `name`, in the order of its model."""
    return list(_below(options, "", f"{PREFIX}STORAGE_{name.upper()}"))


def markdown(name: str, options: type[BaseModel]) -> str:
    """The parameters as a Markdown table."""
    rows = parameters(name, options)
    if not rows:
        return "This driver has no parameters.\n"
    lines = ["| key | type | default | meaning | variable |", "| --- | --- | --- | --- | --- |"]
    for row in rows:
        default = "**required**" if row.required else f"`{row.default}`" if row.default else ""
        cells = (f"`{row.key}`", row.type, default, row.meaning, f"`{row.variable}`")
        lines.append("| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def filled(page: str, models: Mapping[str, type[BaseModel]]) -> str:
    """A page with its parameter tables renewed, each between marks that name the driver.

    Raises KeyError: with the name, if `models` has no such driver.
    """

    def table(found: re.Match[str]) -> str:
        name = found["name"]
        return f"{found[1]}{markdown(name, models[name])}{found[3]}"

    return _BLOCK.sub(table, page)


def _below(model: type[BaseModel], above: str, variable: str) -> Iterator[Parameter]:
    for key, field in fields(model).items():
        marks = [mark.word for mark in field.metadata if isinstance(mark, Variable)]
        name = f"{variable}_{marks[0] if marks else key.upper()}"
        kind = _plain(field.annotation)
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _below(kind, f"{above}{key}.", name)
            continue
        meaning = " ".join((field.description or "").split())
        required = field.is_required()
        yield Parameter(f"{above}{key}", _type(field), _default(field), required, meaning, name)


def _plain(annotation: Any) -> Any:
    """A type without its annotations and without None."""
    if get_origin(annotation) is Annotated:
        return _plain(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        kinds = [kind for kind in get_args(annotation) if kind is not NoneType]
        if len(kinds) == 1:
            return _plain(kinds[0])
    return annotation


def _type(field: FieldInfo) -> str:
    secret = ", secret" if is_secret(field) else ""
    return f"{_word(field.annotation)}{secret}"


def _word(annotation: Any) -> str:
    kind = _plain(annotation)
    origin, arguments = get_origin(kind), get_args(kind)
    if kind in _WORDS:
        return _WORDS[kind]
    if origin is Literal:
        return _or([f"`{value}`" for value in arguments])
    if origin in (Union, UnionType):
        return _or(list(dict.fromkeys(_word(one) for one in arguments if one is not NoneType)))
    if origin in (list, tuple, set, frozenset):
        return f"list of {_word(arguments[0])}"
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _or([f"`{one.value}`" for one in kind])
    return "section" if dict in (kind, origin) else "text"


def _or(words: list[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _default(field: FieldInfo) -> str:
    value = field.default if field.default is not PydanticUndefined else None
    if value is None or is_secret(field):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, list | tuple | set | frozenset):
        items: list[Any] = list(value)  # pyright: ignore[reportUnknownArgumentType] - of any items
        return f"[{', '.join(map(str, items))}]" if items else ""
    return "" if isinstance(value, dict) else str(value)
