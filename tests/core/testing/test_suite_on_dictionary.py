"""The suite passes on a driver of five methods, so the contract's defaults are right."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from entrepot.core.driver import Driver
from entrepot.core.testing import DriverSuite, Opening

from .dictionary import DictionaryDriver, Stored


class TestDictionary(DriverSuite):
    @pytest.fixture
    def open_driver(self) -> Opening:
        store: dict[str, Stored] = {}

        @asynccontextmanager
        async def opening() -> AsyncGenerator[Driver, None]:
            yield DictionaryDriver(store)

        return opening
