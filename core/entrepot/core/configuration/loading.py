"""From a file and the environment to a configuration, or to all that is wrong with them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from pydantic import ValidationError

from entrepot.core.configuration import yaml_source
from entrepot.core.configuration.access_file import access_mistakes
from entrepot.core.configuration.dialects import modernise, several, spell_out
from entrepot.core.configuration.dropped import replaced
from entrepot.core.configuration.environment import CONFIGURATION_PATH, Overriding
from entrepot.core.configuration.loaded import Loaded
from entrepot.core.configuration.mistakes import line, translated
from entrepot.core.configuration.model import Auth, Configuration
from entrepot.core.configuration.model_storage import Storage
from entrepot.core.configuration.noting import noted
from entrepot.core.configuration.plugged import NO_MODELS, PluggedModels, plugged_mistakes
from entrepot.core.configuration.reading import read_text
from entrepot.core.configuration.shape import Known, fields
from entrepot.core.configuration.showing import origins
from entrepot.core.configuration.tree import Table, Tree, is_null, planted, step
from entrepot.core.configuration.unavailable import refused
from entrepot.core.errors import ConfigurationError
from entrepot.core.lines import one_line

VERSION = "0.1"
_DEFAULT_DRIVER = "filesystem"
_DEFAULT_DIRECTORY = "./registry-data"
_DEFAULT_ADDRESS = "127.0.0.1:5000"
_DEFAULT = "default"


def load(
    path: str | os.PathLike[str] | None,
    environ: Mapping[str, str],
    models: PluggedModels = NO_MODELS,
) -> Loaded:
    """Read a file, put the environment over it and check all of it.

    Without a path, REGISTRY_CONFIGURATION_PATH names the file; without that there is none,
    and the registry stores under ./registry-data and listens on 127.0.0.1:5000. `models`
    are those of the installed plug-ins: with them, variables find keys that contain `_`, and
    the sections of plug-ins are checked with the rest.

    Raises ConfigurationError: with every mistake, each in one line with its path.
    """
    source = path or environ.get(CONFIGURATION_PATH) or None
    tree, notes = _read(source) if source else (Table(_DEFAULT), [])
    spell_out(tree)
    plugged = {Storage.plugged: models.drivers, Auth.plugged: models.authenticators}
    overriding = Overriding(tree, Known(Configuration, plugged), notes)
    overriding.apply(environ)
    if not source:
        _fill_in(tree)
    notes.extend(modernise(tree))
    configuration, mistakes = _checked(tree, models)
    if mistakes := [*overriding.mistakes, *mistakes]:
        raise ConfigurationError(*mistakes)
    notes.extend(noted(configuration, tree, models))
    return Loaded(configuration, tuple(map(one_line, notes)), origins(configuration, tree))


def _read(source: str | os.PathLike[str]) -> tuple[Table, list[str]]:
    name = os.fspath(source)
    try:
        text = read_text(source)
    except ConfigurationError as error:
        raise ConfigurationError(f"{name}: {error}") from None
    tree, notes = yaml_source.parse(text, lambda number: f"file {name} line {number}")
    if is_null(tree):
        tree = Table(tree.origin)
    if not isinstance(tree, Table):
        raise ConfigurationError(f"{name}: not a configuration; begin with `version: {VERSION}`")
    return tree, notes


def _fill_in(tree: Table) -> None:
    """What holds when there is no file."""
    _set_default(tree, "version", VERSION)
    http = _set_default(tree, "http", {})
    if isinstance(http, Table) and step(http, "net") != "unix":
        _set_default(http, "addr", _DEFAULT_ADDRESS)
    storage = _set_default(tree, "storage", {})
    if not isinstance(storage, Table):
        return
    if not _drivers_in(storage) or _DEFAULT_DRIVER in storage:
        files = _set_default(storage, _DEFAULT_DRIVER, {})
        if isinstance(files, Table):
            _set_default(files, "rootdirectory", _DEFAULT_DIRECTORY)


def _set_default(table: Table, key: str, value: object) -> Tree:
    if is_null(table.get(key)):
        table[key] = planted(value, _DEFAULT)
    return table[key]


def _drivers_in(storage: Table) -> list[str]:
    return [key for key in storage if key not in fields(Storage)]


def _checked(tree: Table, models: PluggedModels) -> tuple[Configuration, list[str]]:
    """The configuration of a tree, as far as it has one, and all mistakes in it."""
    mistakes = list(_choice_mistakes(tree))
    if is_null(tree.get("version")):
        mistakes.insert(0, line(("version",), f"missing; write `version: {VERSION}` at the top"))
    try:
        sound = Configuration.model_validate(tree)
    except ValidationError as error:
        mistakes.extend(translated(error, Configuration, tree))
        broken = {details["loc"][0] for details in error.errors() if details["loc"]}
        kept = {key: value for key, value in tree.items() if key not in broken}
        sound = Configuration.model_validate(kept)
    mistakes.extend(plugged_mistakes(sound, models))
    mistakes.extend(replaced(sound, tree, models))
    mistakes.extend(access_mistakes(sound, tree))
    return sound, [*mistakes, *refused(sound, tree)]


def _choice_mistakes(tree: Table) -> Iterator[str]:
    yield from several(tree, "storage", list(fields(Storage)), "storage driver")
    yield from several(tree, "auth", list(fields(Auth)), "way of authentication")
    storage = tree.get("storage")
    if is_null(storage) or (isinstance(storage, Table) and not _drivers_in(storage)):
        origin = storage.origin if storage else ""
        yield line(("storage",), "no storage driver; name one, like `filesystem`", origin)
