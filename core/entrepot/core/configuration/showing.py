"""The configuration in effect, for people: as it could be written, secrets hidden."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ByteSize
from pydantic.fields import FieldInfo

from entrepot.core.configuration.durations import Duration
from entrepot.core.configuration.loaded import Loaded
from entrepot.core.configuration.model import Configuration
from entrepot.core.configuration.plugged import NO_MODELS, PluggedModels, sections
from entrepot.core.configuration.shape import Known, field_shape, fields, is_secret
from entrepot.core.configuration.tree import (
    Path,
    Table,
    dotted,
    is_list,
    is_mapping,
    origin_at,
    plain,
    step,
)

HIDDEN = "******"
_DEFAULT = "default"
_SECRET_NAME = re.compile(
    r"password|passphrase|secret|token|authorization|cookie|credential|signature"
    r"|accesskey|accountkey|apikey|licensekey|privatekey|connectionstring|^sas$"
)
_WITHOUT_EFFECT = ("reporting", "compatibility")
_USER_IN_URL = re.compile(r"(?<=://)[^/?#\s]+(?=@)")
_QUERY_IN_URL = re.compile(r"(://[^?#\s]*\?)[\w.~%-]+=[^#\s]*")


def shown(loaded: Loaded, models: PluggedModels = NO_MODELS) -> dict[str, Any]:
    """What is in effect, defaults included, in the file's own form.

    Keys without a value are left out. Values that are secret, or whose key looks like it, and
    users and queries in URLs are `******`; with the options `models` of plug-ins, so are their
    secrets.
    """
    values = _effective(loaded.configuration)
    for path, _, model in sections(loaded.configuration, models):
        _hide(_at(values, path), model)
    return values


def _at(values: Any, path: Path) -> Any:
    """What is shown under a path; None where nothing is."""
    for key in path:
        try:
            values = values[key]
        except (KeyError, IndexError):
            return None
    return values


def _hide(values: Any, options: type[BaseModel] | None) -> None:
    """Hide what a plug-in's model says is secret, in the sections below it, too."""
    if not (is_mapping(values) and options):
        return
    written: Any = values
    for key, field in fields(options).items():
        inner = field_shape(field)
        if is_secret(field) and values.get(key):
            written[key] = _masked(values[key])
        elif isinstance(inner, Known):
            _hide(values.get(key), inner.model)


def _effective(configuration: Configuration) -> dict[str, Any]:
    values = _section(configuration)
    return {key: value for key, value in values.items() if key not in _WITHOUT_EFFECT}


def _section(model: BaseModel) -> dict[str, Any]:
    extra = (model.model_extra or {}).items()
    values = {key: _value(key, getattr(model, name), field) for key, name, field in _named(model)}
    values |= {key: _hidden(key, plain(value)) or {} for key, value in extra}
    empty: tuple[Any, ...] = (None, "", {}, [])
    return {key: value for key, value in values.items() if key in dict(extra) or value not in empty}


def _named(model: BaseModel) -> Iterator[tuple[str, str, FieldInfo]]:
    for name, field in type(model).model_fields.items():
        yield field.alias or name, name, field


def _value(key: str, value: Any, field: FieldInfo) -> Any:
    if is_secret(field):
        return _masked(plain(value))
    if isinstance(value, BaseModel):
        return _section(value)
    if is_list(value):
        return [_value(key, one, field) for one in value]
    if isinstance(value, ByteSize):
        return int(value)
    return str(value) if isinstance(value, Duration) else _hidden(key, plain(value))


def _masked(value: Any) -> Any:
    """A secret's form without what it says."""
    if is_mapping(value):
        return {name: _masked(below) for name, below in value.items()}
    if is_list(value):
        return [_masked(one) for one in value]
    return HIDDEN if value else value


def _hidden(key: str, value: Any) -> Any:
    """A free value with what is secret in it hidden."""
    if is_mapping(value):
        return {name: _hidden(name, below) for name, below in value.items()}
    if is_list(value):
        return [_hidden(key, one) for one in value]
    if value is None or value == "" or isinstance(value, bool):
        return value
    if _SECRET_NAME.search(re.sub(r"[-_]", "", key.lower())):
        return HIDDEN
    if not isinstance(value, str):
        return value
    return _QUERY_IN_URL.sub(rf"\1{HIDDEN}", _USER_IN_URL.sub(HIDDEN, value))


def origins(configuration: Configuration, tree: Table) -> dict[str, str]:
    """Where each value in effect came from, by dotted path."""
    return {dotted(path): _origin(tree, path) for path in _paths(_effective(configuration), ())}


def _paths(value: Any, above: Path) -> Iterator[Path]:
    if not (is_mapping(value) or is_list(value)):
        yield above
        return
    for key, below in value.items() if is_mapping(value) else enumerate(value):
        yield from _paths(below, (*above, key))


def _origin(tree: Table, path: Path) -> str:
    at: Any = tree
    for key in path:
        at = step(at, key)
        if at is None:
            return _DEFAULT
    return origin_at(tree, path)
