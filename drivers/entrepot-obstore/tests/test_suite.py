"""The conformance suite on the store that needs no server."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
from obstore.store import MemoryStore

from entrepot.core.testing import DriverSuite, Opening
from entrepot_obstore import ObstoreOptions
from entrepot_obstore.driver import ObstoreDriver


class TestMemory(DriverSuite):
    @pytest.fixture
    def open_driver(self) -> Opening:
        store = MemoryStore()
        options = ObstoreOptions(url="memory:///")
        return lambda: nullcontext(ObstoreDriver(store, options, None))
