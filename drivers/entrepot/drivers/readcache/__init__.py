"""Blobs of a remote store kept on a local disk, after their first read."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from pydantic import ByteSize, Field

from entrepot.core import (
    AccessError,
    Driver,
    MiddlewareOptions,
    RegisterStorageMiddleware,
    hookimpl,
)
from entrepot.drivers.filesystem.threads import PacedThreads
from entrepot.drivers.readcache.driver import CachingDriver
from entrepot.drivers.readcache.folder import Folder

_THREADS = 16
_GIB = 1024**3


class CacheOptions(MiddlewareOptions):
    """Options of the cache middleware."""

    keeps_copies = True

    rootdirectory: str = Field(
        min_length=1, description="Where the copies lie: a folder of a local disk."
    )
    size: ByteSize = Field(
        default=ByteSize(10 * _GIB), gt=0, description="Bytes of all copies, like 10GiB."
    )
    maxobject: ByteSize | None = Field(
        default=None, gt=0, description="Bytes of the largest blob that is copied; default: size."
    )
    redirect: bool = Field(
        default=False, description="Let clients be sent to the store instead, where it can."
    )


@asynccontextmanager
async def open_cache(options: CacheOptions, driver: Driver) -> AsyncGenerator[Driver, None]:
    """A driver whose blobs are kept in a folder, which is created if it is missing.

    Raises AccessError: if the folder cannot be used; the message names it.
    """
    folder = Folder(options.rootdirectory, options.size)
    largest = min(options.size, options.maxobject or options.size)
    threads = PacedThreads(_THREADS)
    try:
        try:
            await threads.run(folder.prepare)
        except OSError as error:
            reason = f"cannot use the folder {folder.root}: {error.strerror}"
            raise AccessError("", reason) from error
        caching = CachingDriver(driver, folder, threads, largest, redirect=options.redirect)
        try:
            yield caching
        finally:
            await caching.close()
    finally:
        threads.close()


@hookimpl
def register_storage_middlewares(register: RegisterStorageMiddleware) -> None:
    register("cache", open_cache, CacheOptions)
