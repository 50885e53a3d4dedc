"""The configuration's JSON Schema, for editors and for `entrepot config schema`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core.core_schema import ModelSchema

from entrepot.core.configuration.durations import Duration
from entrepot.core.configuration.key_texts import key_texts
from entrepot.core.configuration.model import Configuration
from entrepot.core.configuration.model_base import Section
from entrepot.core.configuration.plugged import NO_MODELS, PluggedModels

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema(plugged: PluggedModels = NO_MODELS) -> dict[str, Any]:
    """JSON Schema of `config.yml`; sections of `plugged` drivers and authenticators are in it.

    It describes what is written, so a file that it accepts can still be refused: whether
    there is exactly one driver, for one, is not in it.
    """
    models = [("Storage", name, model) for name, model in plugged.drivers.items()]
    models += [("Auth", name, model) for name, model in plugged.authenticators.items()]
    wanted: list[tuple[type[BaseModel], Literal["validation"]]] = [(Configuration, "validation")]
    wanted.extend((model, "validation") for _, _, model in models)
    references, top = models_json_schema(wanted, schema_generator=_Generator)
    parts: dict[str, Any] = top["$defs"]
    whole: dict[str, Any] = parts.pop(_name(references[Configuration, "validation"]))
    keys: dict[str, Any] = whole["properties"]
    keys["version"] |= {"enum": ["0.1", 0.1]}
    for narrower in ("const", "type"):
        keys["version"].pop(narrower, None)
    for part, name, model in models:
        section = {"anyOf": [references[model, "validation"], {"type": "null"}]}
        parts[part].setdefault("properties", {})[name] = section
    for name in ("storage", "auth"):
        keys[name] = _or_name(keys[name])
    for each in (whole, *parts.values()):
        _without_section_defaults(each.get("properties", {}))
    head = {"$schema": _DIALECT, "title": "Entrepot configuration"}
    return {**whole, **head, "required": ["version"], "$defs": parts}


class _Generator(GenerateJsonSchema):
    """Describes keys by what stands below them, and writes durations as a file would."""

    def model_schema(self, schema: ModelSchema) -> JsonSchemaValue:
        made = super().model_schema(schema)
        section = schema["cls"]
        if issubclass(section, Section):
            texts = key_texts(section)
            for name, field in section.model_fields.items():
                if name in texts:
                    key = made["properties"][field.alias or name]
                    key.setdefault("description", texts[name])
        return made

    def encode_default(self, dft: Any) -> Any:
        return str(dft) if isinstance(dft, Duration) else super().encode_default(dft)


def _without_section_defaults(keys: dict[str, Any]) -> None:
    """A section's own keys have their defaults; its whole default would repeat them."""
    for key in keys.values():
        if isinstance(key.get("default"), dict):
            del key["default"]


def _name(reference: dict[str, Any]) -> str:
    return str(reference["$ref"]).rsplit("/", 1)[-1]


def _or_name(key: dict[str, Any]) -> dict[str, Any]:
    """A section that may be the mere name of what it chooses."""
    section = {"$ref": key["$ref"]}
    rest = {name: value for name, value in key.items() if name != "$ref"}
    return {**rest, "anyOf": [section, {"type": "string"}]}
