"""Two stores with the same content, so that a registry changes from one to the other while it
serves.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from pydantic import Field

from entrepot.core import (
    Driver,
    MiddlewareOptions,
    OtherStorage,
    RegisterStorageMiddleware,
    hookimpl,
)
from entrepot.core.threads import Threads
from entrepot.drivers.mirror.driver import MirrorDriver

__all__ = ["MirrorDriver", "MirrorOptions", "open_mirror"]


class MirrorOptions(MiddlewareOptions):
    """Options of the mirror middleware."""

    storage: OtherStorage = Field(
        description="The second store, in the form of `storage`: one driver and its parameters."
    )


@asynccontextmanager
async def open_mirror(options: MirrorOptions, driver: Driver) -> AsyncGenerator[Driver, None]:
    """A driver that writes to both stores.

    Raises StorageError: if the second store cannot be opened.
    """
    threads = Threads(os.cpu_count() or 1, "mirror")
    try:
        async with options.storage.open() as second:
            yield MirrorDriver(driver, second, threads)
    finally:
        threads.close()


@hookimpl
def register_storage_middlewares(register: RegisterStorageMiddleware) -> None:
    register("mirror", open_mirror, MirrorOptions)
