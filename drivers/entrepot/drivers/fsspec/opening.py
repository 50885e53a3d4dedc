"""The driver that suits a filesystem, opened and tried out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from entrepot.core import Driver, StorageError, UnavailableError
from entrepot.core.fsspec_driver import FsspecDriver
from entrepot.drivers.fsspec.filesystems import Place, in_time, place_of
from entrepot.drivers.fsspec.memory import MemoryDriver
from entrepot.drivers.fsspec.options import FsspecOptions
from entrepot.drivers.fsspec.probing import probe


@asynccontextmanager
async def open_fsspec(options: FsspecOptions, /) -> AsyncGenerator[Driver, None]:
    """A driver over the filesystem of a URL, which is connected and, by default, tried out.

    Raises StorageError: if its package is missing, it refuses an option, cannot be reached in
    time, or does not do what a registry needs.
    """
    place = place_of(options)
    async with _opened(place, options) as driver:
        if options.probe:
            await _probed(place, driver, options.timeout)
        else:
            driver.exclusive_create = False  # nobody knows
            driver.ranged &= type(driver) is not FsspecDriver or driver.calls.asynchronous
        yield driver


async def _probed(place: Place, driver: FsspecDriver, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await probe(driver)
    except TimeoutError as error:
        raise UnavailableError(
            "", f"{place.protocol}:// did not answer in {seconds:g} s"
        ) from error
    except StorageError as error:
        raise place.refused(error) from error


@asynccontextmanager
async def _opened(place: Place, options: FsspecOptions) -> AsyncGenerator[FsspecDriver, None]:
    name = f"{place.kind.__module__}.{place.kind.__name__}"
    if name == "sshfs.spec.SSHFileSystem":
        opening = _opened_ssh(place, options)
    elif place.is_asynchronous:
        opening = _opened_asynchronous(place, options)
    else:
        opening = _opened_blocking(place, options)
    async with opening as driver:
        yield driver


@asynccontextmanager
async def _opened_ssh(place: Place, options: FsspecOptions) -> AsyncGenerator[FsspecDriver, None]:
    from entrepot.drivers.fsspec.ssh import Connection  # noqa: PLC0415 - needs sshfs
    from entrepot.drivers.fsspec.ssh_driver import SshDriver  # noqa: PLC0415

    connection = Connection(place, options.timeout)
    await connection.connect()
    try:
        async with SshDriver(connection, place.root) as driver:
            yield driver
    finally:
        await connection.close()


@asynccontextmanager
async def _opened_asynchronous(
    place: Place, options: FsspecOptions
) -> AsyncGenerator[FsspecDriver, None]:
    filesystem = place.make(asynchronous=True, use_listings_cache=False)
    try:
        async with FsspecDriver(filesystem, place.root, timeout=options.timeout) as driver:
            yield driver
    finally:
        await _leave(filesystem)


async def _leave(filesystem: Any) -> None:
    """End the sessions of an asynchronous filesystem, which no method of fsspec's does."""
    if creator := getattr(filesystem, "_s3creator", None):  # s3fs
        await creator.__aexit__(None, None, None)
    if session := getattr(filesystem, "_session", None):  # others over aiohttp
        await session.close()


@asynccontextmanager
async def _opened_blocking(
    place: Place, options: FsspecOptions
) -> AsyncGenerator[FsspecDriver, None]:
    try:
        filesystem = await in_time(lambda: _made(place, options), _let_go, options.timeout)
    except TimeoutError as error:
        reason = f"{place.protocol}:// did not answer in {options.timeout:g} s"
        raise UnavailableError("", reason) from error
    try:
        async with _driver_of(place, filesystem, options) as driver:
            yield driver
    finally:
        _let_go(filesystem)


def _made(place: Place, options: FsspecOptions) -> Any:
    if place.protocol in {"webdav", "dav"}:
        given = dict(place.arguments)
        if isinstance(given.get("auth"), list):
            given["auth"] = tuple(given["auth"])  # YAML has no other way to write a pair
        return Place(place.protocol, place.kind, given, place.root).make(timeout=options.timeout)
    return place.make()


def _driver_of(place: Place, filesystem: Any, options: FsspecOptions) -> FsspecDriver:
    name = type(filesystem).__name__
    if name == "WebdavFileSystem":
        from entrepot.drivers.fsspec.webdav import WebdavDriver  # noqa: PLC0415 - needs webdav4

        return WebdavDriver(filesystem, place.root, threads=options.threads)
    if name == "MemoryFileSystem":
        return MemoryDriver(filesystem, place.root, threads=options.threads)
    try:
        return FsspecDriver(filesystem, place.root, threads=options.threads)
    except ValueError as error:
        raise StorageError(
            "", f"{place.protocol}:// is no place for a registry: {error}"
        ) from error


def _let_go(filesystem: Any) -> None:
    """Close what a filesystem has open, under whichever name it keeps its client."""
    for holder in (filesystem, getattr(filesystem, "client", None)):
        for name in ("http", "client", "ftp"):
            close = getattr(getattr(holder, name, None), "close", None)
            if callable(close):
                close()
