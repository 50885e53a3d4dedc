"""A gcs driver on the strict imitation, in a hurry; everything is given back at the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from tests.drivers.gcs_fake import Fake

from entrepot.core import Driver
from entrepot.drivers.gcs import GcsOptions
from entrepot.drivers.gcs.opening import opened
from entrepot.drivers.gcs.patience import Patience

MIB = 1024 * 1024
CHUNK = 512 * 1024  # `chunksize`: pieces of 256 KiB
PIECE = CHUNK // 2
HURRY = Patience(attempts=4, total=5, answer=5, transfer=5, first_delay=0.001, longest_delay=0.002)
NO_PATIENCE = replace(HURRY, attempts=2, answer=0.5)


@pytest.fixture
def fake() -> Generator[Fake, None, None]:
    with Fake().running() as fake:
        yield fake


@pytest.fixture
async def driver(fake: Fake) -> AsyncGenerator[Driver, None]:
    async with open_on(fake) as driver:
        yield driver


@asynccontextmanager
async def open_on(
    fake: Fake, *, patience: Patience = HURRY, batches: bool = False, **given: Any
) -> AsyncGenerator[Driver, None]:
    """Checks that no task and no session of an upload is left when the driver is closed."""
    usual = {"bucket": "bucket", "anonymous": True, "endpoint": fake.url, "chunksize": CHUNK}
    options = GcsOptions.model_validate(usual | given)
    async with opened(options, patience, batches=batches) as driver:
        fake.requests.clear()
        yield driver
    assert [task for task in asyncio.all_tasks() if _is_ours(task)] == []
    assert fake.store.open_sessions == []


def _is_ours(task: asyncio.Task[Any]) -> bool:
    """Not one of those in which pytest runs tests and fixtures."""
    code = getattr(task.get_coro(), "cr_code", None)
    return code is not None and any(name in code.co_filename for name in ("entrepot", "aiohttp"))
