"""The drivers' pages show the parameters that the drivers have."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from entrepot.core.parameters import filled
from entrepot.core.plugins import load_plugins

DOCS = Path(__file__).parents[1] / "docs"
INDEX = (DOCS / "drivers.md").read_text(encoding="utf-8")
PAGES = sorted((DOCS / "drivers").glob("*.md"))
OUTSIDE = sorted((DOCS.parent / "drivers").glob("entrepot-*/README.md"))
OPTIONS = load_plugins().models.drivers


@pytest.mark.parametrize(
    "page", [*PAGES, *OUTSIDE], ids=lambda page: f"{page.parent.name}-{page.stem}"
)
def test_page_is_up_to_date(page: Path) -> None:
    text = page.read_text(encoding="utf-8")

    renewed = filled(text, OPTIONS)

    assert renewed == text, f"run: entrepot drivers document {page.relative_to(DOCS.parent)}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page_is_in_the_index(page: Path) -> None:
    assert f"(drivers/{page.name})" in INDEX


@pytest.mark.parametrize("name", ["filesystem", "inmemory"])
def test_driver_has_a_page_with_its_parameters(name: str) -> None:
    text = (DOCS / "drivers" / f"{name}.md").read_text(encoding="utf-8")

    assert re.findall(r"<!-- parameters: (.*) -->", text) == [name]


def test_every_link_of_the_index_leads_somewhere() -> None:
    for link in re.findall(r"\]\(([^)#:]+)", INDEX):
        assert (DOCS / link).exists(), link
