"""What the system refuses, and what becomes of it: full disks, permissions, broken mounts."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from tests.drivers.watching import absent, files_below

from entrepot.core import (
    AccessError,
    DeleteError,
    Driver,
    FullError,
    KeyInvalidError,
)
from entrepot.core.testing.material import (
    content,
    find,
    get,
    keys,
    pieces,
    put,
    put_all,
)
from entrepot.drivers.filesystem import FilesystemOptions, open_filesystem

pytestmark = pytest.mark.anyio

MIB = 1024 * 1024
NOBODY = 65534


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A filesystem of 4 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m,nr_inodes=64", "none", str(folder)],
        check=False,
        capture_output=True,
        text=True,
    )
    if mounted.returncode:
        absent(f"only root may mount a small filesystem: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that any user reaches, which pytest's own is not."""
    if os.geteuid() != 0:
        absent("only root can become another user, who is then denied something")
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


@contextmanager
def as_nobody() -> Generator[None, None, None]:
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def make_read_only(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)


def fill_with_names(disk: Path) -> None:
    """Until no empty file finds room any more."""
    names = (disk / f"n{number}" for number in range(1000))
    with pytest.raises(OSError, match="No space left"):
        any(map(Path.touch, names))


def options(root: Path) -> FilesystemOptions:
    return FilesystemOptions(rootdirectory=str(root))


@pytest.mark.parametrize(("given", "used"), [(0, 25), (1, 25), (25, 25), (26, 26), ("50", 50)])
def test_maxthreads_is_raised_to_the_least(given: Any, used: int) -> None:
    assert FilesystemOptions(maxthreads=given).maxthreads == used


def test_options_have_distributions_defaults() -> None:
    assert FilesystemOptions().model_dump() == {
        "rootdirectory": "/var/lib/registry",
        "maxthreads": 100,
        "fsync": True,
    }


@pytest.mark.parametrize(
    "wrong", [{"rootdirectory": ""}, {"maxthreads": -1}, {"maxthreads": "many"}, {"rootdir": "/x"}]
)
def test_wrong_options_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        FilesystemOptions.model_validate(wrong)


async def test_root_is_made(tmp_path: Path) -> None:
    async with open_filesystem(options(tmp_path / "a/b/c")):
        assert files_below(tmp_path) == ["a/b/c/"]


async def test_root_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    for root in (tmp_path / "file", tmp_path / "file/below"):
        with pytest.raises(AccessError, match=f"cannot create the root folder {root}: "):
            async with open_filesystem(options(root)):
                pass


async def test_root_that_cannot_be_made_is_refused(shared: Path) -> None:
    root = shared / "new"

    with (
        as_nobody(),
        pytest.raises(AccessError, match=f"create the root folder {root}: Permission denied"),
    ):
        async with open_filesystem(options(root)):
            pass


async def test_root_that_cannot_be_written_to_is_refused(shared: Path) -> None:
    with (
        as_nobody(),
        pytest.raises(AccessError, match=f"write to the root folder {shared}: Permission denied"),
    ):
        async with open_filesystem(options(shared)):
            pass


async def test_root_that_is_mounted_to_read_is_refused(small_disk: Path) -> None:
    make_read_only(small_disk)

    with pytest.raises(AccessError, match=f"root folder {small_disk}: Read-only file system"):
        async with open_filesystem(options(small_disk)):
            pass


async def test_mount_that_turns_read_only_still_serves(small_disk: Path) -> None:
    async with open_filesystem(options(small_disk)) as driver:
        await put(driver, "a/b", b"content")
        make_read_only(small_disk)

        with pytest.raises(AccessError, match=f"{small_disk}/a/b: Read-only"):
            await put(driver, "a/b", b"new")
        with pytest.raises(DeleteError) as caught:
            await driver.delete(["a/b", "a/c"])

        assert isinstance(caught.value.failures["a/b"], AccessError)
        assert await get(driver, "a/b") == b"content"
        assert await keys(driver) == ["a/b"]


async def test_denied_calls_name_the_path(shared: Path) -> None:
    async with open_filesystem(options(shared / "root")) as driver:
        await put(driver, "a/b/c")
        (shared / "root/a").chmod(0o700)

        with as_nobody():
            for denied in (driver.stat("a/b/c"), find(driver, "a/b/c"), put(driver, "a/b/c"),
                           put(driver, "a/d", content(3 * MIB)),
                           driver.upload("a").append(pieces(b"some"), 0),
                           driver.copy("a/b/c", "x"), driver.move("a/b/c", "x")):  # fmt: skip
                with pytest.raises(AccessError, match=f"{shared}/root/a/.*: Permission denied"):
                    await denied
            with pytest.raises(AccessError, match=f"{shared}/root/: Permission denied"):
                await keys(driver)


async def test_denied_delete_does_not_stop_the_others(shared: Path) -> None:
    async with open_filesystem(options(shared / "root")) as driver:
        await put_all(driver, ["a/1", "b/1", "b/2", "c/1"])
        for folder in ("a", "c", "."):
            os.chown(shared / "root" / folder, NOBODY, -1)

        with as_nobody(), pytest.raises(DeleteError) as caught:
            await driver.delete(["a/1", "b/1", "b/2", "c/1"])

        assert set(caught.value.failures) == {"b/1", "b/2"}
        assert await keys(driver) == ["b/1", "b/2"]


async def test_full_disk_refuses_a_write_whole(small_disk: Path) -> None:
    async with open_filesystem(options(small_disk)) as driver:
        await put(driver, "a/b", b"old content")

        with pytest.raises(FullError, match=f"{small_disk}/a/b: No space left on device"):
            await put(driver, "a/b", content(8 * MIB))

        assert files_below(small_disk) == ["a/b"]
        assert await get(driver, "a/b") == b"old content"
        await put(driver, "a/c", content(2 * MIB))


async def test_full_disk_refuses_a_copy_whole(small_disk: Path) -> None:
    async with open_filesystem(options(small_disk)) as driver:
        await put(driver, "a", content(3 * MIB))

        with pytest.raises(FullError, match="No space left on device"):
            await driver.copy("a", "b")

        assert files_below(small_disk) == ["a"]


async def test_full_disk_keeps_a_true_prefix_of_an_append(small_disk: Path) -> None:
    data = content(8 * MIB)
    async with open_filesystem(options(small_disk)) as driver:
        await driver.upload("u").append(pieces(data[:1000]), 0)

        with pytest.raises(FullError, match=f"{small_disk}/u/data: No space left on device"):
            await driver.upload("u").append(pieces(data[1000:]), 1000)

        size = await driver.upload("u").size()
        assert 3 * MIB < size < 4 * MIB + 1
        assert (small_disk / "u/data").read_bytes() == data[:size]


async def test_full_disk_still_serves_and_deletes(small_disk: Path) -> None:
    (small_disk / "a").write_bytes(b"content")
    with pytest.raises(OSError, match="No space left"):
        (small_disk / "filler").write_bytes(bytes(8 * MIB))
    fill_with_names(small_disk)

    async with open_filesystem(options(small_disk)) as driver:
        assert await get(driver, "a") == b"content"
        await driver.delete(["filler"])
        await put(driver, "b", b"fits")


async def test_name_that_is_too_long_is_refused(driver: Driver) -> None:
    for refused in (driver.stat("x" * 300), put(driver, "x" * 300)):
        with pytest.raises(KeyInvalidError, match="File name too long"):
            await refused
