"""docs/configuration.md: its table is what the notes and the refusals say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from entrepot.core.configuration import noting, unavailable
from entrepot.core.configuration.dropped import DRIVERS
from entrepot.server.cli import app

PAGE = Path(__file__).parents[1] / "docs" / "configuration.md"
TABLE = re.compile(r"<!-- notes -->\n(?P<table>.*?)<!-- end of notes -->", re.DOTALL)

SAID = re.compile(
    r"^\$ entrepot config check config.yml\n(?P<said>.*?)^```", re.DOTALL | re.MULTILINE
)


def rows() -> Iterator[str]:
    yield "| key | |"
    yield "| --- | --- |"
    for note in noting.ROWS:
        yield f"| `{note.path}` | {note.text} |"
    for refusal in unavailable.ROWS:
        if refusal.reason != "not available yet":
            yield f"| `{refusal.path}` | mistake: {refusal.reason}; {refusal.remedy} |"
    for name, told in DRIVERS.items():
        yield f"| `storage.{name}` | mistake: {told} |"


def test_table_of_the_page_is_what_is_told() -> None:
    found = TABLE.search(PAGE.read_text(encoding="utf-8"))

    assert found
    assert found["table"].splitlines() == list(rows())


def test_check_says_what_the_page_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = PAGE.read_text(encoding="utf-8")
    shown = re.search(
        r"^\$ entrepot config check config.yml\n(?P<said>.*?)^```", page, re.DOTALL | re.MULTILINE
    )
    assert shown
    monkeypatch.chdir(tmp_path)
    secret = "version: 0.1\nstorage: inmemory\n\n\n\nhttp:\n  secret: a\n"
    unknown = "version: 0.1\nstorage: inmemory\n\n\nhttp:\n  adr: a\n"
    said = ""

    for text in (secret, unknown):
        Path("config.yml").write_text(text)
        said += CliRunner().invoke(app, ["config", "check", "config.yml"]).stderr

    assert said == shown["said"]
