"""A configuration file to load, and the two ways a load ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from entrepot.core.configuration import Loaded, load
from entrepot.core.errors import ConfigurationError

Load = Callable[..., Loaded]
Refuse = Callable[..., tuple[str, ...]]


@pytest.fixture
def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Loads text as the file `config.yml` of the working directory."""
    monkeypatch.chdir(tmp_path)

    def load_text(text: str, environ: Mapping[str, str] | None = None) -> Loaded:
        Path("config.yml").write_text(text, encoding="utf-8")
        return load("config.yml", environ or {})

    return load_text


@pytest.fixture
def refused(loaded: Load) -> Refuse:
    """The mistakes of a text that must not load."""

    def mistakes(text: str, environ: Mapping[str, str] | None = None) -> tuple[str, ...]:
        with pytest.raises(ConfigurationError) as caught:
            loaded(text, environ)
        return caught.value.mistakes

    return mistakes
