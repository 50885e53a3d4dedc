"""A plug-in's parameters read by the model that it brings."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from entrepot.core.configuration.mistakes import translated
from entrepot.core.configuration.model_storage import Storage
from entrepot.core.configuration.other_storage import keys_of_others
from entrepot.core.configuration.shape import fields
from entrepot.core.configuration.tree import Path, Scalar, Table, is_null, plain, step
from entrepot.core.driver import OptionsT
from entrepot.core.errors import ConfigurationError

_WANT_TEXT = ("string_type", "literal_error", "enum")
ModelT = TypeVar("ModelT", bound=BaseModel)


def driver_options(storage: Storage, options: type[OptionsT]) -> OptionsT:
    """The parameters of the storage driver as its options model.

    Raises ConfigurationError: with every mistake in them.
    """
    return plugged_options(storage.written, options, ("storage", storage.driver))


def plugged_options(written: Table, options: type[ModelT], path: Path) -> ModelT:
    """Parameters as a model: `path` is where they stand in the file.

    A key without a value counts as absent. Text is taken as it was written, even where YAML
    would make a number of it.

    Raises ConfigurationError: with every mistake in them.
    """
    present = [(key, value) for key, value in written.items() if _is_given(key, value, options)]
    tree = Table(written.origin, present)
    values = plain(tree) | {key: tree[key] for key in keys_of_others(options) if key in tree}
    try:
        return options.model_validate(values)
    except ValidationError as error:
        first = error
    try:
        return options.model_validate(_as_written(values, tree, first))
    except ValidationError as error:
        raise ConfigurationError(*translated(error, options, tree, path)) from None


def _is_given(key: str, value: object, options: type[BaseModel]) -> bool:
    return not is_null(value) or key not in fields(options)


def _as_written(values: Any, tree: Table, error: ValidationError) -> Any:
    """The values with text in all places where the model wanted text."""
    for details in error.errors(include_url=False, include_input=False):
        found: Any = tree
        for key in details["loc"]:
            found = step(found, key)
        if isinstance(found, Scalar) and details["type"] in _WANT_TEXT:
            _put(values, details["loc"], str(found))
    return values


def _put(values: Any, path: Path, text: str) -> None:
    for key in path[:-1]:
        values = values[key]
    values[path[-1]] = text
