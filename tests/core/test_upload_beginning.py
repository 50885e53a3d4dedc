"""When an upload began, as its own record says."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from entrepot.core import layout
from entrepot.core.names import RepositoryName, UploadId
from entrepot.core.registry import Rules, open_registry
from entrepot.core.streams import once
from entrepot.drivers.inmemory import InMemoryDriver

pytestmark = pytest.mark.anyio

NAME = RepositoryName.parse("a/b")
WRITTEN = {
    b"2026-01-02T03:04:05Z": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC).timestamp(),
    b"2026-01-02T03:04:05.5Z": datetime(2026, 1, 2, 3, 4, 5, 500000, tzinfo=UTC).timestamp(),
    b"2026-01-02T03:04:05": None,
    b"2026-01-02T05:04:05+02:00\n": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC).timestamp(),
    b"": None,
    b"yesterday": None,
    b"\xff": None,
    b"x" * 1000: None,
}


async def test_an_upload_knows_when_it_began() -> None:
    async with open_registry(InMemoryDriver(), Rules()) as registry:
        uploads = registry.repository(NAME).uploads
        session = await uploads.start()

        assert await uploads.began(session.id) == pytest.approx(time.time(), abs=5)
        assert await uploads.began(UploadId.new()) is None


@pytest.mark.parametrize("written", WRITTEN)
async def test_what_another_registry_has_written(written: bytes) -> None:
    async with open_registry(InMemoryDriver(), Rules()) as registry:
        id_ = UploadId.new()
        await registry.driver.write(layout.upload_started(NAME, id_), once(written))

        assert await registry.repository(NAME).uploads.began(id_) == WRITTEN[written]
