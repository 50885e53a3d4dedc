"""A store and the clock that it shares with registries and collectors."""

from __future__ import annotations

import pytest
from tests.core.collecting.clocked import Clock, ClockedDriver


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def driver(clock: Clock) -> ClockedDriver:
    return ClockedDriver(clock)
