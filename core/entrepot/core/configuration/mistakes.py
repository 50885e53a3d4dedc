"""Mistakes as a person reads them: `path: what is wrong; what to do [where]`."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from entrepot.core.configuration.model import Configuration
from entrepot.core.configuration.shape import Known, known_keys, known_paths, shape_at
from entrepot.core.configuration.tree import Path, Scalar, Table, Tree, dotted, origin_at, step

_MOST_SHOWN = 20
_MOST_TOLD = 100


def line(path: Path, text: str, origin: str = "") -> str:
    """One mistake or note: a path, a sentence about it and where it was written."""
    return f"{dotted(path)}: {text}" + (f" [{origin}]" if origin else "")


def nearest(name: str, known: Iterable[str], *, likeness: float = 0.6) -> str:
    """The known name that was probably meant; "" if none is near. `likeness` is at most 1."""
    by_lower = {one.lower(): one for one in known}
    found = get_close_matches(name.lower(), by_lower, n=1, cutoff=likeness)
    return by_lower[found[0]] if found else ""


def unknown(key: str, known: list[str]) -> str:
    """What to say of a key that a section does not have."""
    if meant := nearest(key, known):
        return f"unknown key; did you mean {meant!r}?"
    elsewhere = [path for path in known_paths(Configuration) if path[-1] == key]
    if len(elsewhere) == 1 and "0" not in elsewhere[0]:
        return f"unknown key; did you mean {dotted(elsewhere[0])!r}?"
    if not known:
        return "unknown key; remove it, there are none here"
    if len(known) > _MOST_SHOWN:
        return "unknown key; remove it"
    return f"unknown key; known here: {', '.join(sorted(known))}"


def translated(
    error: ValidationError, model: type[BaseModel], tree: Table, above: Path = ()
) -> list[str]:
    """A model's errors about a tree as mistakes; `above` is the path of the tree."""
    found: dict[str, None] = {}
    all_of_them = error.errors(include_url=False, include_input=False)
    for details in all_of_them[:_MOST_TOLD]:
        path = _path(details["loc"], tree)
        text = _sentence(details, model, path)
        found[line((*above, *path), text, origin_at(tree, path))] = None
    if (untold := len(all_of_them) - _MOST_TOLD) > 0:
        found[line(above, f"{untold} mistakes more")] = None
    return list(found)


def _path(location: Path, tree: Tree) -> Path:
    """The part of a model's location that is in the file: no names of alternatives."""
    at: Tree | None = tree
    for count, key in enumerate(location):
        if isinstance(at, Scalar):
            return location[:count]
        at = step(at, key)
    return location


def _sentence(details: ErrorDetails, model: type[BaseModel], path: Path) -> str:
    context: dict[str, Any] = details.get("ctx", {})
    kind = details["type"]
    if kind == "extra_forbidden":
        return unknown(str(path[-1]), known_keys(shape_at(Known(model), path[:-1])))
    if kind in ("value_error", "assertion_error"):
        return str(context["error"])
    if kind == "literal_error":
        return f"one of {context['expected']} is wanted"
    if (bound := _BOUNDS.get(kind)) is not None:
        return bound[0].format(context[bound[1]])
    return _SENTENCES.get(kind, details["msg"])


_MISSING = "missing; give it a value"
_SECTION = "a section is wanted; put `key: value` lines below it"
_LIST = "a list is wanted; put it in square brackets"
_BOOLEAN = "true or false is wanted"
_WHOLE = "a whole number is wanted"
_NUMBER = "a number is wanted"
_TEXT = "text is wanted; put a single value here"

_SENTENCES = {
    "missing": _MISSING,
    "string_too_short": _MISSING,
    "too_short": _MISSING,
    "string_type": _TEXT,
    "string_unicode": "text is wanted; these bytes are no UTF-8",
    "bool_type": _BOOLEAN,
    "bool_parsing": _BOOLEAN,
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_parsing_size": _WHOLE,
    "int_from_float": _WHOLE,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "list_type": _LIST,
    "tuple_type": _LIST,
    "dict_type": _SECTION,
    "model_type": _SECTION,
    "model_attributes_type": _SECTION,
}

_BOUNDS = {
    "greater_than_equal": ("at least {} is wanted", "ge"),
    "greater_than": ("more than {} is wanted", "gt"),
    "less_than_equal": ("at most {} is wanted", "le"),
    "less_than": ("less than {} is wanted", "lt"),
    "string_too_long": ("text of at most {} characters is wanted", "max_length"),
    "string_pattern_mismatch": ("text that matches {} is wanted", "pattern"),
}
