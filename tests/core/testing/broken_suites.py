"""The suite on every broken driver; collected only when asked for by its name."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import ClassVar

import pytest

from entrepot.core.driver import Driver
from entrepot.core.testing import DriverSuite, Opening

from .broken_drivers import BROKEN
from .broken_objects import BrokenDriver
from .dictionary import Stored


class BrokenSuite(DriverSuite):
    kind: ClassVar[type[BrokenDriver]]

    @pytest.fixture
    def open_driver(self) -> Opening:
        store: dict[str, Stored] = {}

        @asynccontextmanager
        async def opening() -> AsyncGenerator[Driver, None]:
            yield self.kind(store)

        return opening


for broken in BROKEN:
    globals()[f"Test{broken.__name__}"] = type(
        f"Test{broken.__name__}", (BrokenSuite,), {"kind": broken, "__module__": __name__}
    )
