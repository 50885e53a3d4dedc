"""Filesystems that do less than they say: what is stored and read is measured."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.local import LocalFileSystem
from tests.core.test_fsspec_driver import ObjectFileSystem

from entrepot.core import (
    AccessError,
    ExistsError,
    FullError,
    NotFoundError,
    StorageError,
    UnavailableError,
)
from entrepot.core.fsspec_calls import storage_error
from entrepot.core.fsspec_driver import FsspecDriver
from entrepot.core.testing.material import content, get, keys, put

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Forgetful(LocalFileSystem):  # type: ignore[misc]  # fsspec is untyped
    """Keeps the first half of a file, and counts the folders it is asked to make."""

    cachable = False
    folders = 0
    halves = True

    def info(self, path: Any, **kwargs: Any) -> Any:
        local: Any = super()
        details = local.info(path, **kwargs)
        if self.halves and details["type"] == "file" and str(path).endswith(".tmp"):
            details["size"] //= 2
        return details

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        self.folders += 1
        local: Any = super()
        local.makedirs(path, exist_ok=exist_ok)


@pytest.fixture
async def local(tmp_path: Path) -> AsyncGenerator[FsspecDriver, None]:
    async with FsspecDriver(Forgetful(), str(tmp_path)) as driver:
        yield driver


async def test_file_that_arrives_short_replaces_nothing(local: FsspecDriver) -> None:
    local.calls.filesystem.halves = False
    await put(local, "a", b"old content")
    local.calls.filesystem.halves = True

    with pytest.raises(UnavailableError, match="5 of 10 bytes arrived"):
        await put(local, "a", content(10))

    assert await get(local, "a") == b"old content"
    assert await keys(local) == ["a"]


async def test_object_that_arrives_short_is_an_error() -> None:
    async with FsspecDriver(ObjectFileSystem({}), "bucket") as driver:
        storing = driver.calls.filesystem._pipe_file

        async def store_less(path: str, value: bytes, **options: Any) -> None:
            await storing(path, value[1:], **options)

        driver.calls.filesystem._pipe_file = store_less

        with pytest.raises(UnavailableError, match="9 of 10 bytes arrived"):
            await put(driver, "a", content(10))


async def test_small_read_that_comes_short_is_an_error() -> None:
    async with FsspecDriver(ObjectFileSystem({}), "bucket") as driver:
        await put(driver, "a", content(10))

        async def cut(*_: Any, **__: Any) -> bytes:
            return b"short"

        driver.calls.filesystem._cat_file = cut

        with pytest.raises(UnavailableError, match="got 5 of 10 bytes"):
            await get(driver, "a")


async def test_folder_is_made_only_where_it_is_missing(local: FsspecDriver) -> None:
    local.calls.filesystem.halves = False
    await put(local, "a/b/c")
    made = local.calls.filesystem.folders

    await put(local, "a/b/d")

    assert made == local.calls.filesystem.folders


async def test_asynchronous_request_ends_with_the_time_out() -> None:
    async with FsspecDriver(ObjectFileSystem({}), "bucket", timeout=0.01) as driver:
        driver.calls.filesystem._info = hang

        with pytest.raises(UnavailableError):
            await driver.stat("a")


async def hang(*_: Any, **__: Any) -> None:
    await asyncio.Event().wait()


class StatusError(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.status_code = status


OWN_ERRORS: list[tuple[Exception, type[StorageError]]] = [
    (StatusError(401), AccessError),
    (StatusError(403), AccessError),
    (StatusError(404), UnavailableError),
    (StatusError(503), UnavailableError),
    (StatusError(507), FullError),
]


@pytest.mark.parametrize(("error", "kind"), OWN_ERRORS)
def test_statuses_of_client_libraries_have_their_kind(
    error: Exception, kind: type[StorageError]
) -> None:
    assert type(storage_error("a", error)) is kind


class OwnOsError(OSError):
    """As smbprotocol has one: its class tells nothing."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.errno = number


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOENT, NotFoundError),
        (errno.EISDIR, NotFoundError),
        (errno.EEXIST, ExistsError),
        (errno.EACCES, AccessError),
        (errno.EROFS, AccessError),
        (errno.ENOSPC, FullError),
        (errno.EIO, UnavailableError),
    ],
)
def test_numbers_of_errors_have_their_kind(number: int, kind: type[StorageError]) -> None:
    assert type(storage_error("a", OwnOsError(number))) is kind
