"""A registry, another one, and where an archive is to be."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from tests.core.testing.dictionary import DictionaryDriver

from entrepot.core.registry import Registry, Rules, open_registry


@pytest.fixture
async def registry() -> AsyncGenerator[Registry, None]:
    async with open_registry(DictionaryDriver({}), Rules()) as registry:
        yield registry


@pytest.fixture
async def there() -> AsyncGenerator[Registry, None]:
    """The registry at the other end."""
    async with open_registry(DictionaryDriver({}), Rules()) as registry:
        yield registry


@pytest.fixture(params=["layout", "layout.tar"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / str(request.param)
