"""An fsspec filesystem seen through keys: awaited calls, one error vocabulary, plain entries."""

from __future__ import annotations

import asyncio
import errno
import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, cast

from fsspec.spec import AbstractFileSystem

from entrepot.core.driver import Entry
from entrepot.core.errors import (
    AccessError,
    ExistsError,
    FullError,
    NotFoundError,
    StorageError,
    UnavailableError,
)
from entrepot.core.threads import Threads

_TIMES = ("mtime", "LastModified", "last_modified", "updated", "modified", "modify", "created")
_VERSIONS = ("ETag", "etag", "generation", "md5Hash", "ino", "unique", "size", *_TIMES)
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_REFUSED = {errno.EROFS, errno.EACCES, errno.EPERM}
_MISSING = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR}


class Calls:
    """What `FsspecDriver` asks of a filesystem. Errors are `StorageError` kinds only."""

    def __init__(
        self, filesystem: Any, root: str, threads: Threads, timeout: float | None = None
    ) -> None:
        filesystem.dircache.clear()
        filesystem.dircache.use_listings_cache = False  # not every filesystem lets one say so
        self.asynchronous = bool(filesystem.async_impl)
        if self.asynchronous and not filesystem.asynchronous:
            raise ValueError("make the filesystem with asynchronous=True")
        self.filesystem = filesystem
        self.threads = threads
        self.timeout = timeout
        stripped = str(filesystem._strip_protocol(root))
        self._base = stripped if not stripped or stripped.endswith("/") else f"{stripped}/"

    def overrides(self, method: str) -> bool:
        """Whether the filesystem does better than fsspec's default."""
        kind = self.filesystem.__class__
        return getattr(kind, method) is not getattr(AbstractFileSystem, method)

    def path(self, key: str) -> str:
        """Where an object or a folder is, without a slash at its end."""
        return f"{self._base}{key}".rstrip("/") or "/"

    async def call(self, method: str, key: str, *arguments: Any, **options: Any) -> Any:
        """A method of the filesystem on a key, whichever kind of filesystem it is."""
        with translating(key):
            if self.asynchronous:
                function = getattr(self.filesystem, f"_{method}")
                async with asyncio.timeout(self.timeout):
                    return await function(self.path(key), *arguments, **options)
            function = getattr(self.filesystem, method)
            call = partial(function, self.path(key), *arguments, **options)
            return await self.threads.run(call)

    async def details(self, key: str) -> dict[str, Any]:
        """Raises NotFoundError: also for a folder."""
        details = cast("dict[str, Any]", await self.call("info", key))
        if details["type"] == "directory":
            raise NotFoundError(key)
        return details

    async def folder(self, key: str) -> dict[str, dict[str, Any]]:
        """What lies directly in a folder, by key, a folder's with `/`; none if it is missing."""
        try:
            listed = await self.call("ls", key, detail=True)
        except NotFoundError:
            return {}
        found: dict[str, dict[str, Any]] = {}
        own = self.filesystem._strip_protocol(self.path(key))
        for details in listed:
            name = str(details["name"]).rstrip("/")
            if self.filesystem._strip_protocol(name) == own:
                continue  # a folder's marker, or an object where a folder was asked for
            below = key + name.rpartition("/")[2]
            found[f"{below}/" if details["type"] == "directory" else below] = details
        name = key.rstrip("/").rpartition("/")[2]
        if list(found) == [f"{key}{name}"] and await self._is_object(key):
            return {}  # FTP lists an object as if it lay in itself
        return found

    async def remove(self, key: str) -> None:
        """Remove an object; a missing one and a folder are no error."""
        try:
            await self.call("rm_file", key)
        except NotFoundError:
            return
        except StorageError:
            if await self._is_object(key):
                raise

    async def _is_object(self, key: str) -> bool:
        try:
            await self.details(key)
        except NotFoundError:
            return False
        return True


@contextmanager
def translating(key: str) -> Generator[None, None, None]:
    """Turns whatever a filesystem raises into the contract's kind of it."""
    try:
        yield
    except StorageError:
        raise
    except Exception as error:
        raise storage_error(key, error) from error


def storage_error(key: str, error: Exception) -> StorageError:
    """The contract's kind for an error of fsspec or of the client library under it."""
    reason = f"{type(error).__name__}: {error}".removesuffix(": ")
    number = error.errno if isinstance(error, OSError) else None  # libraries have own classes
    status = _status(error)
    missing = FileNotFoundError | NotADirectoryError | IsADirectoryError
    if isinstance(error, missing) or number in _MISSING:
        return NotFoundError(key)
    if isinstance(error, FileExistsError) or number == errno.EEXIST:
        return ExistsError(key)
    if isinstance(error, PermissionError) or number in _REFUSED or status in {401, 403, 407}:
        return AccessError(key, reason)
    if number in _FULL or status == 507:
        return FullError(key, reason)
    return UnavailableError(key, reason)


def _status(error: Exception) -> int | None:
    """The HTTP status in an error of one of the client libraries under fsspec."""
    for name in ("status_code", "status", "code"):
        status = getattr(error, name, None)
        if isinstance(status, int):
            return status
    return None


def entry_of(key: str, details: dict[str, Any]) -> Entry:
    """An object's entry. A filesystem that keeps no times has it written just now.

    So nothing on it ever seems old enough to be collected.
    """
    told = next((details[name] for name in _TIMES if details.get(name) is not None), None)
    return Entry(key, int(details["size"]), time.time() if told is None else seconds_of(told))


def seconds_of(told: Any) -> float:
    """Seconds since the epoch of any form of time that filesystems give; naive means UTC."""
    if isinstance(told, int | float):
        return float(told)
    moment = _parsed(told) if isinstance(told, str) else cast("datetime", told)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _parsed(told: str) -> datetime:
    if told[:14].isdigit():  # FTP's, with or without a fraction
        return datetime.strptime(told[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    return datetime.fromisoformat(told) if told[:4].isdigit() else parsedate_to_datetime(told)


def version_of(details: dict[str, Any]) -> tuple[object, ...]:
    """What changes when an object is replaced, as far as the filesystem tells."""
    return tuple(details.get(name) for name in _VERSIONS)


def settle(file: Any) -> None:
    """Bring a written file to the medium where there is a descriptor to ask it of; close it."""
    try:
        file.flush()
        descriptor = file.fileno()
    except (OSError, AttributeError):
        descriptor = None
    if descriptor is not None:
        os.fsync(descriptor)
    file.close()
