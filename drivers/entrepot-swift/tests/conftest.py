"""What every test here may ask for."""

from __future__ import annotations

import pytest
from swift_fake import SwiftFake


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def fake() -> SwiftFake:
    """A cluster with nothing in it."""
    return SwiftFake()
