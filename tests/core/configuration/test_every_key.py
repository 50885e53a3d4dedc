"""Every key of Distribution 2 and 3, alone, from the file and from the environment.

Its value arrives, or one line says what replaces it. Nothing is ignored in silence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, SecretStr
from tests.core.configuration import keys_http, keys_services, keys_storage
from tests.core.configuration.keys import AS_WRITTEN, Key

from entrepot.core.configuration import (
    Duration,
    Loaded,
    PluggedModels,
    load,
    plugged_options,
    unavailable,
)
from entrepot.core.configuration.model import Configuration
from entrepot.core.configuration.shape import known_paths
from entrepot.core.configuration.tree import is_mapping, plain
from entrepot.core.errors import ConfigurationError
from entrepot.core.plugins import load_plugins

KEYS = (
    *keys_http.LOG,
    *keys_http.HTTP,
    *keys_http.CONTENT,
    *keys_services.NOTIFICATIONS,
    *keys_services.REDIS,
    *keys_services.HEALTH,
    *keys_services.PROXY,
    *keys_services.AUTH,
    *keys_services.ACCESS,
    *keys_storage.STORAGE,
    *keys_storage.DRIVERS,
    *keys_storage.DROPPED,
    *keys_storage.MIDDLEWARE,
)
NAMES = [f"{number}-{key.path}" for number, key in enumerate(KEYS)]
OF_DISTRIBUTION = {
    "storage": ("inmemory", "filesystem", "s3", "gcs", "azure"),
    "auth": ("none", "silly", "htpasswd", "token"),
    "middleware.storage.0.options": ("cloudfront", "redirect", "rewrite"),
}
NOT_YET = [row for row in unavailable.ROWS if row.reason == "not available yet"]
ORIGIN = re.compile(r" \[(file config\.yml line \d+|environment \w+)\]$")
RULES = "rules: [{anonymous: true, repositories: ['**'], actions: [pull]}]\n"


@cache
def models() -> PluggedModels:
    return load_plugins(frozenset({"obstore", "oss", "rados", "swift"})).models


@pytest.fixture(autouse=True)
def all_is_available(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What is refused for good is refused; what is only not there yet is taken."""
    for_good = tuple(row for row in unavailable.ROWS if row.reason != "not available yet")
    monkeypatch.setattr(unavailable, "ROWS", for_good)
    monkeypatch.chdir(tmp_path)
    Path("rules.yml").write_text(RULES)


def loaded(text: str, environ: Mapping[str, str]) -> Loaded:
    Path("config.yml").write_text(text)
    return load("config.yml", environ, models())


def arrived(configuration: Configuration, path: str) -> Any:
    """The value under a path, in the form that YAML would give it."""
    at: Any = configuration
    keys = path.split(".")
    match keys:
        case ["storage", driver, *rest] if driver in models().drivers:
            assert configuration.storage.driver == driver
            options = models().drivers[driver]
            at, keys = plugged_options(configuration.storage.written, options, ()), rest
        case ["auth", way, *rest]:
            assert configuration.auth.method == way
            known = models().authenticators.get(way)
            at = plugged_options(configuration.auth.written, known, ()) if known else {}
            keys = rest
        case ["middleware", "storage", "0", "options", *rest] if rest:
            middleware = configuration.middleware.storage[0]
            options = models().storage_middlewares[middleware.name]
            at, keys = plugged_options(middleware.options, options, ()), rest
        case _:
            pass
    for key in keys:
        at = at[int(key)] if key.isdecimal() else getattr(at, "from_" if key == "from" else key)
    return as_yaml(at)


def as_yaml(value: Any) -> Any:
    if isinstance(value, Duration):
        return str(value)
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, BaseModel):
        return {}
    if isinstance(value, tuple | list):
        return [as_yaml(one) for one in value]  # pyright: ignore[reportUnknownVariableType]
    if is_mapping(value):
        return {key: as_yaml(one) for key, one in value.items()}
    return plain(value)


def wanted(key: Key) -> Any:
    if key.arrives is not AS_WRITTEN:
        return key.arrives
    return "redis" if key.example == "redis" else yaml.safe_load(key.example)


def without_origins(lines: tuple[str, ...], environ: Mapping[str, str]) -> list[str]:
    """Lines without their ends, which name the file or the variable."""
    for one in lines:
        found = ORIGIN.search(one)
        assert found, one
        assert found[1].startswith("environment ") <= bool(environ), one
    return [ORIGIN.sub("", one) for one in lines]


def told(key: Key) -> tuple[list[str], list[str]]:
    """The notes and the mistakes that a key is to give."""
    notes = [f"{key.noted_at or key.path}: {key.noted}"] if key.noted else []
    notes += [f"{key.moved}: {key.noted_as_moved}"] if key.noted_as_moved else []
    mistakes = [f"{key.refused_at or key.path}: {key.refused}"] if key.refused else []
    return notes, mistakes


def check(key: Key, text: str, environ: Mapping[str, str]) -> None:
    notes, mistakes = told(key)
    if mistakes:
        with pytest.raises(ConfigurationError) as caught:
            loaded(text, environ)
        assert without_origins(caught.value.mistakes, environ) == mistakes
        return
    found = loaded(text, environ)
    assert without_origins(found.notes, environ) == notes
    assert arrived(found.configuration, key.moved or key.path) == wanted(key)


@pytest.mark.parametrize("key", KEYS, ids=NAMES)
def test_key_in_the_file(key: Key) -> None:
    check(key, key.file, {})


@pytest.mark.parametrize("key", KEYS, ids=NAMES)
def test_key_in_the_environment(key: Key) -> None:
    for name in key.variables:
        check(key, key.file_without, {name: key.example})


@pytest.mark.parametrize("key", KEYS, ids=NAMES)
def test_example_is_no_default(key: Key) -> None:
    """Else it would arrive without being read."""
    if key.path == "version" or key.path in key.beside:
        return
    try:
        before = arrived(loaded(key.file_without, {}).configuration, key.moved or key.path)
    except (ConfigurationError, AssertionError, IndexError, KeyError, AttributeError):
        return  # without it there is nothing
    assert before != wanted(key) or key.example in ("{}", "filesystem")


def leaves(model: type[BaseModel], above: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from leaves(inner, f"{above}.{name}")
        else:
            yield f"{above}.{field.alias or name}"


def known() -> Iterator[str]:
    """The paths of all keys that the models have."""
    paths = {".".join(path) for path in known_paths(Configuration)}
    sections = {path.rpartition(".")[0] for path in paths}
    sections |= {path.removesuffix(".0") for path in sections}
    yield from paths - sections - {"auth", "storage"}
    plugged = (models().drivers, models().authenticators, models().storage_middlewares)
    for (above, names), offered in zip(OF_DISTRIBUTION.items(), plugged, strict=True):
        for name in names:
            path = above if above.endswith("options") else f"{above}.{name}"
            fields = list(leaves(offered[name], path)) if name in offered else []
            yield from fields or [path]


def test_every_key_of_the_models_has_a_row() -> None:
    without = set(known()) - {key.path for key in KEYS}

    assert without == set(), "each new key needs a row in one of the modules keys_*.py"


def test_every_row_is_a_key_of_the_models_or_refused() -> None:
    rows = {key.path for key in KEYS if not key.refused}

    assert rows - set(known()) == set()


def sources() -> str:
    """All code but that which only brings the configuration into being."""
    root = Path(__file__).parents[3]
    makers = re.compile(r"model_\w+|noting|dialects|unavailable")
    return "\n".join(
        path.read_text(encoding="utf-8")
        for room in ("core", "server")
        for path in (root / room / "entrepot").rglob("*.py")
        if not (path.parent.name == "configuration" and makers.fullmatch(path.stem))
    )


def test_every_key_without_a_note_is_read_somewhere() -> None:
    read = set(re.findall(r"\.([a-z_0-9]+)\b", sources()))
    not_yet = tuple(row.path.split(".")[0] for row in NOT_YET)
    told = {key.path for key in KEYS if key.noted or key.refused}
    plugged = ("auth.", "middleware.", *(f"storage.{driver}" for driver in models().drivers))

    unread = [
        key.path
        for key in KEYS
        if key.path.split(".")[-1].replace("from", "from_") not in read
        and not key.path.startswith((*plugged, *not_yet))
    ]

    assert set(unread) - told == set()


def test_rows_of_one_key_try_different_examples() -> None:
    tried = [(key.path, key.example) for key in KEYS]

    assert len(set(tried)) == len(tried)


def test_aliases_of_drivers_take_the_same_keys() -> None:
    assert models().drivers["s3aws"] is models().drivers["s3"]
