"""The page about logs: its configuration starts, and what it says of fields is so."""

from __future__ import annotations

import re
from pathlib import Path

from entrepot.core.configuration import load
from entrepot.server.logs.requests import FIELDS

PAGE = (Path(__file__).parents[2] / "docs" / "logs.md").read_text(encoding="utf-8")


def test_configuration_of_the_page(tmp_path: Path) -> None:
    [block] = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    path = tmp_path / "config.yml"
    path.write_text(block)

    loaded = load(path, {})

    assert not loaded.notes
    assert set(loaded.configuration.log.model_fields_set) == set(
        type(loaded.configuration.log).model_fields
    )


def test_page_names_the_headers_that_are_logged() -> None:
    for field in FIELDS.values():
        assert f"`.{field.rpartition('.')[2]}`" in PAGE
