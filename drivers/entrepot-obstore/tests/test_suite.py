"""The conformance suite on the store that needs no server."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import nullcontext

import pytest
from obstore.store import MemoryStore

from entrepot.core import Entry
from entrepot.core.testing import DriverSuite, Opening
from entrepot.core.testing.material import get, pieces
from entrepot_obstore import ObstoreOptions
from entrepot_obstore.driver import ObstoreDriver


class TestMemory(DriverSuite):
    @pytest.fixture
    def open_driver(self) -> Opening:
        store = MemoryStore()
        options = ObstoreOptions(url="memory:///")
        return lambda: nullcontext(ObstoreDriver(store, options, None))


@pytest.mark.anyio
async def test_upload_does_not_depend_on_what_a_listing_shows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    driver = ObstoreDriver(MemoryStore(), ObstoreOptions(url="memory:///"), None)

    async def nothing(*_: object, **__: object) -> AsyncGenerator[Entry, None]:
        for entry in list[Entry]():
            yield entry

    monkeypatch.setattr(driver, "scan", nothing)
    for at, word in ((0, b"some"), (4, b"more")):
        assert await driver.upload("u").append(pieces(word), at) == at + 4

    assert await driver.upload("u").size() == 8
    await driver.upload("u").commit("b", 8)

    assert await get(driver, "b") == b"somemore"
