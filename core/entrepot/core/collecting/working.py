"""Whether a collector is at work on a store, so that others need not join it.

Nothing is lost if several are: they share the work.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from uuid import uuid4

from entrepot.core.collecting import runs
from entrepot.core.driver import Driver
from entrepot.core.errors import NotFoundError, StorageError
from entrepot.core.streams import once

_LOG = logging.getLogger("entrepot.collecting")
_KEY = f"{runs.ROOT}working"
_BEAT = 60.0  # seconds between two signs of life
_SILENT = 300.0  # seconds without one, after which a collector counts as dead


@asynccontextmanager
async def working(driver: Driver, owner: str) -> AsyncGenerator[None, None]:
    """Others are told that `owner` is at work, until the context is left."""
    task = asyncio.create_task(_beat(driver, owner))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        with suppress(StorageError):
            await driver.delete([_KEY])


async def at_work(driver: Driver) -> str | None:
    """Who is at work, as it called itself; None: nobody. Raises StorageError."""
    try:
        seen = await driver.stat(_KEY)
    except NotFoundError:
        return None
    if await runs.now(driver, uuid4().hex) - seen.modified > _SILENT:
        return None
    content = await runs.content_of(driver, _KEY)
    return None if content is None else content.decode("utf-8", "replace")


async def _beat(driver: Driver, owner: str) -> None:
    while True:
        try:
            await driver.write(_KEY, once(owner.encode()))
        except StorageError as error:
            _LOG.warning("others may join this collection: %s", error)
        await asyncio.sleep(_BEAT)
