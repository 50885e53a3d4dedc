"""Calls of the system that fail or do half: what is told, and what is left."""

from __future__ import annotations

import errno
import os
import resource
from contextlib import aclosing
from pathlib import Path

import pytest
from tests.drivers.watching import FailingCalls, cold, files_below, open_files

from entrepot.core import Driver, FullError, NotFoundError, UnavailableError
from entrepot.core.streams import drain
from entrepot.core.testing.material import (
    Broken,
    breaking,
    content,
    folder,
    get,
    keys,
    put,
    sifted,
)

pytestmark = pytest.mark.anyio

MIB = 1024 * 1024


async def test_error_of_the_callers_stream_is_not_the_stores(driver: Driver, root: Path) -> None:
    """A client's connection fails with errors of the same kinds as a disk."""
    error = OSError(errno.ENOSPC, "of the stream")

    for size in (1, 3 * MIB):
        with pytest.raises(OSError, match="of the stream") as caught:
            await driver.write("a", breaking(content(size), error))
        assert caught.value is error
    with pytest.raises(OSError, match="of the stream") as caught:
        await driver.upload("u").append(breaking(b"x", error), 0)
    assert caught.value is error
    assert files_below(root) == ["u/data"]


async def test_too_many_open_files_is_told_as_unavailable(driver: Driver) -> None:
    await put(driver, "a")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        with pytest.raises(UnavailableError, match="Too many open files"):
            await get(driver, "a")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_stale_handle_is_opened_again(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(driver, "a", b"content")
    FailingCalls(monkeypatch, "pread", errno.ESTALE, 1)

    assert await get(driver, "a") == b"content"


async def test_stale_handle_is_opened_again_once(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(driver, "a", b"content")
    before = open_files()
    FailingCalls(monkeypatch, "open", errno.ESTALE, 2)

    with pytest.raises(UnavailableError):
        await get(driver, "a")
    assert open_files() == before


@pytest.mark.parametrize("size", [10, 3 * MIB])
async def test_broken_disk_is_told_as_unavailable(
    driver: Driver, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    await put(driver, "a", content(size))
    before = open_files()
    FailingCalls(monkeypatch, "pread", errno.EIO, 1)

    with pytest.raises(UnavailableError, match="Input/output error"):
        await get(driver, "a")
    assert open_files() == before


@pytest.mark.parametrize("size", [10, 3 * MIB])
async def test_failed_sync_is_no_success(
    driver: Driver, root: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    await put(driver, "a", b"old")
    before = open_files()
    FailingCalls(monkeypatch, "fsync", errno.EIO, 1)

    with pytest.raises(UnavailableError, match="Input/output error"):
        await put(driver, "a", content(size))
    assert (root / "a").read_bytes() == b"old"
    assert files_below(root) == ["a"]
    assert open_files() == before


async def test_failed_sync_does_not_hide_what_broke_the_stream(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    FailingCalls(monkeypatch, "fsync", errno.EIO, 1)

    with pytest.raises(Broken):
        await driver.upload("u").append(breaking(b"some", Broken()), 0)


async def test_failed_append_puts_nothing_behind_the_failure(
    driver: Driver, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was pulled meanwhile would be in the wrong place."""
    FailingCalls(monkeypatch, "writev", errno.EIO, 1)

    with pytest.raises(Broken):
        await driver.upload("u").append(breaking(content(MIB + 5), Broken()), 0)

    assert files_below(root) == []


@pytest.mark.parametrize("size", [100_000, 3 * MIB])
async def test_file_size_limit_refuses_a_write_whole(driver: Driver, root: Path, size: int) -> None:
    """The system takes some of the bytes, and says so only when asked to take the rest."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        with pytest.raises(FullError, match="File too large"):
            await put(driver, "a", content(size))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert files_below(root) == []


async def test_write_of_which_the_system_takes_little_at_a_time(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write

    def write_little(file: int, part: memoryview) -> int:
        return write(file, part[:999])

    def writev_little(file: int, parts: list[bytes]) -> int:
        return write(file, b"".join(parts)[:700])

    monkeypatch.setattr(os, "write", write_little)
    monkeypatch.setattr(os, "writev", writev_little)

    await put(driver, "a", content(100_000))

    assert await get(driver, "a") == content(100_000)


async def test_write_whose_file_is_removed_under_it_is_no_success(
    driver: Driver, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody clears away what ends in `.tmp`; that says nothing about the object."""
    fsync = os.fsync

    def removed_and_synced(file: int) -> None:
        for path in root.iterdir():
            path.unlink()
        fsync(file)

    monkeypatch.setattr(os, "fsync", removed_and_synced)

    with pytest.raises(UnavailableError, match="No such file"):
        await put(driver, "a")


async def test_copy_of_which_the_system_gives_too_little_is_refused(
    driver: Driver, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(driver, "a", b"content")

    def copy_nothing(*_: int) -> int:
        return 0

    monkeypatch.setattr(os, "copy_file_range", copy_nothing)

    with pytest.raises(UnavailableError, match="gave 0 of 7 bytes"):
        await driver.copy("a", "b")
    assert files_below(root) == ["a"]


async def test_read_closed_early_is_not_told_of_a_chunk_that_failed(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(driver, "a", content(3 * MIB))
    before = open_files()
    cold(monkeypatch)
    failing = FailingCalls(monkeypatch, "pread", errno.EIO, 1, through=1)

    async with aclosing(driver.read("a")) as reading:
        await anext(reading)

    assert failing.left == 0
    assert open_files() == before


async def test_file_cut_while_it_is_read_is_told(driver: Driver, root: Path) -> None:
    await put(driver, "a", content(3 * MIB))

    reading = driver.read("a")
    await anext(reading)
    os.truncate(root / "a", MIB)
    with pytest.raises(UnavailableError, match="cut while it was read"):
        async for _ in reading:
            pass


async def test_copy_where_the_system_cannot(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(driver, "a", content(3 * MIB + 1))
    FailingCalls(monkeypatch, "copy_file_range", errno.EXDEV, 10)

    await driver.copy("a", "b")

    assert await get(driver, "b") == content(3 * MIB + 1)


async def test_without_the_root_folder_nothing_is_said_to_be_missing(
    driver: Driver, root: Path
) -> None:
    gone = root.with_name("gone")
    os.rename(root, gone)
    for asking in (driver.stat("a"), drain(driver.read("a", 0, 10)), drain(driver.read("a"))):
        with pytest.raises(UnavailableError, match="the root folder is gone"):
            await asking
    for listing in (keys(driver, "a/"), folder(driver), sifted(driver, "a/", lambda _: "b")):
        with pytest.raises(UnavailableError, match="the root folder is gone"):
            await listing

    os.rename(gone, root)
    with pytest.raises(NotFoundError):
        await driver.stat("a")
    assert await keys(driver, "a/") == []
