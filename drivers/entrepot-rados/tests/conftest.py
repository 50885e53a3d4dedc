"""What every test here may ask for."""

from __future__ import annotations

import pytest
from rados_fake import RadosFake


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def fake() -> RadosFake:
    """A cluster with an empty pool `images`."""
    return RadosFake()
