"""Filesystems that do not do what they say, tried out when the driver opens."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.local import LocalFileSystem
from fsspec.registry import known_implementations

from entrepot.core import StorageError
from entrepot.core.fsspec_driver import FsspecDriver
from entrepot.core.testing.material import content, get, put
from entrepot.drivers.fsspec import FsspecOptions, open_fsspec

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class WholeFileSystem(LocalFileSystem):  # type: ignore[misc]  # fsspec is untyped
    """Gives the whole file for any range, as sshfs does."""

    protocol = "whole"

    def cat_file(self, path: str, start: Any = None, end: Any = None, **kwargs: Any) -> bytes:
        return Path(path).read_bytes()


class KeepingFileSystem(LocalFileSystem):  # type: ignore[misc]
    """Renames onto nothing that is there, and says nothing."""

    protocol = "keeping"

    def mv(self, path1: str, path2: str, *args: Any, **kwargs: Any) -> None:
        if not Path(path2).exists():
            Path(path1).rename(path2)


class HoardingFileSystem(LocalFileSystem):  # type: ignore[misc]
    """Deletes nothing."""

    protocol = "hoarding"

    def rm_file(self, path: str) -> None:
        return


class LosingFileSystem(LocalFileSystem):  # type: ignore[misc]
    """Loses the beginning of what is written."""

    protocol = "losing"

    def _open(self, path: str, mode: str = "rb", *args: Any, **kwargs: Any) -> Any:
        local: Any = super()
        file = local._open(path, mode, *args, **kwargs)
        if mode != "rb":
            file.write = len
        return file


class ReadOnlyFileSystem(LocalFileSystem):  # type: ignore[misc]
    """May only be read."""

    protocol = "readonly"

    def _open(self, path: str, mode: str = "rb", *args: Any, **kwargs: Any) -> Any:
        if mode != "rb":
            raise PermissionError(13, "no writing here")
        local: Any = super()
        return local._open(path, mode, *args, **kwargs)


KINDS: list[Any] = [
    WholeFileSystem,
    KeepingFileSystem,
    HoardingFileSystem,
    LosingFileSystem,
    ReadOnlyFileSystem,
]


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in KINDS:
        entry = {"class": f"{__name__}.{kind.__name__}", "err": ""}
        monkeypatch.setitem(known_implementations, kind.protocol, entry)


async def refusal(url: str) -> StorageError:
    with pytest.raises(StorageError) as caught:
        async with open_fsspec(FsspecOptions(url=url)):
            pass
    return caught.value


async def test_filesystem_with_wrong_ranges_is_read_from_open_files(tmp_path: Path) -> None:
    async with open_fsspec(FsspecOptions(url=f"whole://{tmp_path}")) as driver:
        assert isinstance(driver, FsspecDriver)
        assert not driver.ranged
        await put(driver, "a", content(1000))
        assert await get(driver, "a", 10, 20) == content(1000)[10:20]

    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize(
    ("protocol", "reason"),
    [
        ("keeping", "what replaces an object is not what is read afterwards"),
        ("hoarding", "an object is still there after it was deleted"),
        ("losing", "0 of 10 bytes arrived"),
        ("readonly", "no writing here"),
    ],
)
async def test_filesystem_that_fails_at_the_probe_is_refused(
    tmp_path: Path, protocol: str, reason: str
) -> None:
    error = await refusal(f"{protocol}://{tmp_path}")

    assert error.reason.startswith(f"cannot open {protocol}://: ")
    assert reason in error.reason


async def test_store_that_may_only_be_read_opens_without_a_probe(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"content")

    options = FsspecOptions(url=f"readonly://{tmp_path}", probe=False)
    async with open_fsspec(options) as driver:
        assert await get(driver, "a", 2, 5) == b"nte"


async def test_ranges_that_were_not_tried_out_are_read_from_open_files(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"content")

    async with open_fsspec(FsspecOptions(url=f"whole://{tmp_path}", probe=False)) as driver:
        assert await get(driver, "a", 2, 5) == b"nte"
