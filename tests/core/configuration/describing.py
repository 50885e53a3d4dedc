"""A JSON Schema and what is written, beside each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml
from jsonschema import Draft202012Validator

__all__ = ["undescribed"]


def undescribed(described: Mapping[str, Any], text: str) -> list[str]:
    """What a schema does not allow in a YAML text."""
    validator = Draft202012Validator(described)
    errors = validator.iter_errors(yaml.safe_load(text))  # pyright: ignore[reportUnknownMemberType]
    return [str(error.message) for error in errors]
