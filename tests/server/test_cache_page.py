"""The page about the cache: its configuration is read without a mistake or a note."""

from __future__ import annotations

import re
from pathlib import Path

from entrepot.core.configuration import load
from entrepot.core.descriptors import LINK_SECONDS

PAGE = (Path(__file__).parents[2] / "docs" / "cache.md").read_text(encoding="utf-8")


def test_configuration_of_the_page(tmp_path: Path) -> None:
    [block] = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    path = tmp_path / "config.yml"
    path.write_text(block)

    loaded = load(path, {})

    assert not loaded.notes
    assert loaded.configuration.storage.cache.blobdescriptor == "redis"


def test_page_says_how_long_a_link_counts() -> None:
    assert LINK_SECONDS == 10
    assert "within ten seconds in the others" in PAGE
