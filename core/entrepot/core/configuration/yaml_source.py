"""YAML into a tree that remembers its lines; scalars mean what they mean to Distribution."""

from __future__ import annotations

import re
from collections.abc import Callable
from math import isfinite
from typing import Any

import yaml
from yaml.reader import ReaderError

from entrepot.core.configuration.tree import Items, Scalar, Table, Tree
from entrepot.core.errors import ConfigurationError

_TAG = "tag:yaml.org,2002:"
_NULL = re.compile(r"~|null|Null|NULL|", re.ASCII)
_TRUE = re.compile(r"y|Y|yes|Yes|YES|true|True|TRUE|on|On|ON", re.ASCII)
_FALSE = re.compile(r"n|N|no|No|NO|false|False|FALSE|off|Off|OFF", re.ASCII)
_INTEGER = re.compile(
    r"[-+]?(?:0b_*[01][01_]*|0[xX]_*[0-9a-fA-F][0-9a-fA-F_]*|0o?_*[0-7][0-7_]*|0_*|[1-9][0-9_]*)",
    re.ASCII,
)
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", re.ASCII)
_QUOTED = re.compile(r"'(?!<)[^']{2,}'")
_MOST_VALUES = 50_000
_MOST_DIGITS = 1000  # more is text: nothing in a configuration counts so far


def parse(text: str, origin: Callable[[int], str]) -> tuple[Tree, list[str]]:
    """One YAML document, and notes on what in it is surely not meant.

    `origin` names the place of a line, the first being 1. An empty document is a null.

    Raises ConfigurationError: if it is not YAML; no text of the document is repeated.
    """
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return Scalar("", None, origin(1)), []
        return _Growth(loader, origin).grown(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f" [{origin(mark.line + 1)}]" if mark else ""
        raise ConfigurationError(f"not YAML: {_problem(error)}{where}") from None
    except ReaderError as error:
        where = origin(text.count("\n", 0, error.position) + 1)
        raise ConfigurationError(f"not YAML: a character that it forbids [{where}]") from None
    except _TooManyError as error:
        told = f"not usable: more than {_MOST_VALUES} values [{origin(error.args[0])}]"
        raise ConfigurationError(told) from None
    except RecursionError:
        raise ConfigurationError(f"not usable: nested too deeply [{origin(1)}]") from None


def _problem(error: yaml.MarkedYAMLError) -> str:
    problem = error.problem or "it cannot be read"
    if "undefined alias" in problem:
        return "an alias that is defined nowhere; put a value that begins with '*' in quotes"
    if "undefined tag" in problem:
        return "an unknown tag; put a value that begins with '!' in quotes"
    if "single document" in (error.context or ""):
        return "more than one document; keep one, without a second '---'"
    return _QUOTED.sub("'…'", problem)


class _TooManyError(Exception):
    """More values than a configuration has; the argument is the line."""


class _Loader(yaml.SafeLoader):
    """Resolves plain scalars as Distribution's parser does: no base 60, no dates, `y` is true.

    It stops reading where there is more than a configuration can hold.
    """

    composed = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        self.composed += 1
        if self.composed > _MOST_VALUES:
            line = self.get_mark().line + 1  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
            raise _TooManyError(line)
        return super().compose_node(parent, index)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]

    def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
        if kind is yaml.ScalarNode and implicit[0]:
            return _TAG + _tag(value)
        return super().resolve(kind, value, implicit)  # type: ignore[no-untyped-call]  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


def _tag(text: str) -> str:
    if text == "<<":
        return "merge"
    if _NULL.fullmatch(text):
        return "null"
    if _TRUE.fullmatch(text) or _FALSE.fullmatch(text):
        return "bool"
    if _INTEGER.fullmatch(text):
        return "int"
    return "float" if _FLOAT.fullmatch(text) else "str"


def _integer(text: str) -> int:
    digits = text.replace("_", "").lower()
    old_octal = re.fullmatch(r"([-+]?)0([0-7]+)", digits)
    return int("{}0o{}".format(*old_octal.groups()) if old_octal else digits, 0)


def _scalar_value(tag: str, text: str) -> Any:
    match tag.removeprefix(_TAG):
        case "null":
            return None
        case "bool":
            return _TRUE.fullmatch(text) is not None
        case "int" if len(text) <= _MOST_DIGITS and _INTEGER.fullmatch(text):
            return _integer(text)
        case "float" if (
            len(text) <= _MOST_DIGITS and _FLOAT.fullmatch(text) and isfinite(float(text))
        ):
            return float(text)
        case _:
            return text


class _Growth:
    """One walk from a document's nodes to a tree."""

    def __init__(self, loader: _Loader, origin: Callable[[int], str]) -> None:
        self._loader = loader
        self._origin = origin
        self._above: list[int] = []
        self._values = 0
        self._notes: list[str] = []

    def grown(self, node: yaml.Node) -> tuple[Tree, list[str]]:
        return self._tree(node, self._line(node)), self._notes

    def _line(self, node: yaml.Node) -> str:
        return self._origin(node.start_mark.line + 1)

    def _tree(self, node: yaml.Node, origin: str) -> Tree:
        self._values += 1
        if id(node) in self._above or self._values > _MOST_VALUES:
            raise ConfigurationError(f"not usable: aliases without end [{origin}]")
        if isinstance(node, yaml.ScalarNode):
            text = str(node.value)
            return Scalar(text, _scalar_value(node.tag, text), origin)
        self._above.append(id(node))
        tree = self._container(node, origin)
        self._above.pop()
        return tree

    def _container(self, node: yaml.Node, origin: str) -> Tree:
        if isinstance(node, yaml.MappingNode):
            return self._table(node, origin)
        return Items(origin, (self._tree(below, self._line(below)) for below in node.value))

    def _table(self, node: yaml.MappingNode, origin: str) -> Table:
        written = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        self._loader.flatten_mapping(node)
        table = Table(origin)
        for key, below in node.value:
            line = self._line(key)
            if not isinstance(key, yaml.ScalarNode):
                raise ConfigurationError(f"not usable: a key that is not text [{line}]")
            if key.value in table and written.count(key.value) > 1:
                self._notes.append(f"{key.value}: written twice; the last one counts [{line}]")
            table[str(key.value)] = self._tree(below, line)
        return table
