"""docs/middleware.md shows the options that the middlewares have."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic_core import PydanticUndefined

from entrepot.core.plugins import load_plugins

PAGE = Path(__file__).parents[2].joinpath("docs", "middleware.md").read_text(encoding="utf-8")
MIDDLEWARES = load_plugins().storage_middlewares
OURS = ["cache", "cloudfront", "mirror", "redirect", "rewrite"]


def rows(name: str) -> list[tuple[str, str]]:
    """Key and meaning of each option in the section of a middleware."""
    (section,) = re.findall(rf"^## {name}\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
    return re.findall(r"^\| `(\w+)` \|[^|]*\| ([^|]*) \|$", section, re.MULTILINE)


@pytest.mark.parametrize("name", OURS)
def test_page_has_a_table_of_the_options(name: str) -> None:
    fields = MIDDLEWARES[name].options.model_fields

    assert rows(name) == [(key, field.description) for key, field in fields.items()]


@pytest.mark.parametrize("name", OURS)
def test_page_says_what_is_required(name: str) -> None:
    fields = MIDDLEWARES[name].options.model_fields
    required = {key for key, field in fields.items() if field.default is PydanticUndefined}

    assert {key for key, _ in rows(name) if f"`{key}` | **required**" in PAGE} == required
