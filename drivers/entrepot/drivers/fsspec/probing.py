"""What a filesystem does, tried out on it: what it says of itself is not trusted."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator
from contextlib import suppress

from entrepot.core import ExistsError, NotFoundError, StorageError, UnavailableError
from entrepot.core.fsspec_driver import FsspecDriver

_FIRST, _SECOND = b"0123456789", b"abcdefghijklm"


async def probe(driver: FsspecDriver) -> None:
    """Write, measure, read, replace and delete a file, and set what depends on it.

    Raises StorageError: if the filesystem does not do what a registry needs; it says what.
    """
    name = f"{uuid.uuid4().hex}.tmp"
    try:
        await _try(driver, name)
    except BaseException:
        with suppress(StorageError):  # what went wrong first is what to tell
            await driver.delete([name])
        raise
    await driver.delete([name])
    try:
        await driver.stat(name)
    except NotFoundError:
        return
    raise StorageError("", "an object is still there after it was deleted")


async def _try(driver: FsspecDriver, name: str) -> None:
    await driver.write(name, _chunks(_FIRST))
    await _find_ranges(driver, name)
    await driver.write(name, _chunks(_SECOND))
    if await _read(driver, name) != _SECOND:
        raise StorageError("", "what replaces an object is not what is read afterwards")
    if driver.exclusive_create:
        driver.exclusive_create = await _creates(driver, name)


async def _find_ranges(driver: FsspecDriver, name: str) -> None:
    """Let ranges be read in a way that gives exactly them."""
    for ranged in (driver.ranged, False):
        driver.ranged = ranged
        try:
            if await _read(driver, name, 3, 7) == _FIRST[3:7]:
                return
        except UnavailableError:
            continue
    raise StorageError("", "no way of reading a range gives just that range")


async def _creates(driver: FsspecDriver, name: str) -> bool:
    """Whether a second creation is refused and changes nothing."""
    try:
        await driver.write(name, _chunks(_FIRST), create=True)
    except ExistsError:
        return await _read(driver, name) == _SECOND
    except UnavailableError:
        return False
    return False


async def _read(driver: FsspecDriver, name: str, start: int = 0, stop: int | None = None) -> bytes:
    return b"".join([chunk async for chunk in driver.read(name, start, stop)])


async def _chunks(content: bytes) -> AsyncGenerator[bytes, None]:
    yield content
