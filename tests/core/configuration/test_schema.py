"""The JSON Schema: every key described, drivers' sections in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import Field
from tests.core.configuration.describing import undescribed
from tests.core.configuration.keys import Key
from tests.core.configuration.test_every_key import KEYS

from entrepot.core.configuration import PluggedModels, schema
from entrepot.core.driver import DriverOptions
from entrepot.core.plugins import load_plugins

SHIPPED = Path(__file__).parent / "shipped"


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    return schema(load_plugins(frozenset({"obstore", "oss", "rados", "swift"})).models)


class Options(DriverOptions):
    """A driver's options."""

    bucket: str = Field(description="Which bucket.")


def keys(part: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    whole = [part, *part["$defs"].values()]
    for one in whole:
        for name, key in one.get("properties", {}).items():
            yield f"{one['title']}.{name}", key


def description(key: dict[str, Any], whole: dict[str, Any]) -> str:
    """A key's own, or that of the section it refers to."""
    section = whole["$defs"].get(key.get("$ref", "").rsplit("/", 1)[-1], {})
    return str(key.get("description") or section.get("description", ""))


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        for key, value in part.items():  # pyright: ignore[reportUnknownVariableType]
            if key == "$ref":
                yield str(value)  # pyright: ignore[reportUnknownArgumentType]
            yield from references(value)
    elif isinstance(part, list):
        for value in part:  # pyright: ignore[reportUnknownVariableType]
            yield from references(value)


def test_every_key_is_described() -> None:
    whole = schema()
    found = dict(keys(whole))

    assert len(found) > 150
    assert [name for name, key in found.items() if not description(key, whole)] == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Entrepot configuration.loglevel", "Deprecated: write `log.level`."),
        ("Entrepot configuration.log", "What is logged, and how."),  # a section, which has its own
        ("MailOptions.from", "Sender of the mail."),  # no name for Python
        ("Middleware.storage", "Around the storage driver, in order."),
    ],
)
def test_key_is_described_by_the_text_below_it(name: str, text: str) -> None:
    assert dict(keys(schema()))[name]["description"] == text


@pytest.mark.parametrize("drivers", [{}, {"s3": Options, "s3aws": Options}])
def test_references_lead_somewhere(drivers: dict[str, type[DriverOptions]]) -> None:
    whole = schema(PluggedModels(drivers))

    found = set(references(whole))
    assert found
    assert {f"#/$defs/{name}" for name in whole["$defs"]} >= found


def test_driver_is_in_it() -> None:
    whole = schema(PluggedModels({"s3": Options}))

    section = whole["$defs"]["Storage"]["properties"]["s3"]
    assert section == {"anyOf": [{"$ref": "#/$defs/Options"}, {"type": "null"}]}
    assert whole["$defs"]["Options"]["properties"]["bucket"]["description"] == "Which bucket."
    assert whole["$defs"]["Options"]["required"] == ["bucket"]


def test_head() -> None:
    whole = schema()

    assert whole["$schema"].endswith("2020-12/schema")
    assert whole["required"] == ["version"]
    assert whole["properties"]["version"]["enum"] == ["0.1", 0.1]
    assert {"type": "string"} in whole["properties"]["storage"]["anyOf"]
    assert whole["additionalProperties"] is False


def test_it_is_a_schema_itself(described: dict[str, Any]) -> None:
    Draft202012Validator.check_schema(described)


@pytest.mark.parametrize("path", sorted(SHIPPED.iterdir()), ids=lambda path: path.stem)
def test_shipped_file_is_what_it_describes(described: dict[str, Any], path: Path) -> None:
    assert undescribed(described, path.read_text()) == []


DESCRIBED = [key for key in KEYS if not (key.refused or isinstance(key.arrives, str))]
"""Text that YAML takes for a number is loaded; an editor may ask for quotes around it."""


@pytest.mark.parametrize("key", DESCRIBED, ids=lambda key: key.path)
def test_every_key_is_what_it_describes(described: dict[str, Any], key: Key) -> None:
    assert undescribed(described, key.file) == []


@pytest.mark.parametrize(
    "text",
    [
        "storage: inmemory",
        "version: 0.2",
        "version: 0.1\nhttp: {addr: 5000}",
        "version: 0.1\nhttp: {adr: ':5000'}",
        "version: 0.1\nhttp: [a]",
        "version: 0.1\nhttp: {relativeurls: 'maybe'}",
        "version: 0.1\nhttp: {workers: 0}",
        "version: 0.1\nhttp: {draintimeout: soon}",
        "version: 0.1\nhttp: {headers: {A: b}}",
        "version: 0.1\nhttp: {tls: {minimumtls: ssl3}}",
        "version: 0.1\nlog: {level: loud}",
        "version: 0.1\nstorage: [filesystem]",
        "version: 0.1\nstorage: {filesystem: {rootdirectory: [a]}}",
        "version: 0.1\nstorage: {filesystem: {unknown: a}}",
        "version: 0.1\nstorage: {s3: {bucket: b, chunksize: small}}",
        "version: 0.1\nauth: {htpasswd: {realm: r}}",
        "version: 0.1\nnotifications: {endpoints: {name: a}}",
        "version: 0.1\ntags: {maxtags: -1}",
    ],
)
def test_what_it_does_not_describe(described: dict[str, Any], text: str) -> None:
    assert undescribed(described, text)


def test_duration_is_text_or_a_number() -> None:
    http = schema()["$defs"]["Http"]["properties"]

    assert http["draintimeout"]["type"] == ["string", "integer"]
    assert http["draintimeout"]["default"] == "20s"
    assert http["idletimeout"]["default"] == "5m0s"
