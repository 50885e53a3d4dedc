"""The contract over filesystems of three kinds: with a rename, without one, asynchronous."""

from __future__ import annotations

import asyncio
import errno
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any, ClassVar

import pytest
from fsspec.asyn import AsyncFileSystem
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem

from entrepot.core import (
    AccessError,
    DeleteError,
    ExistsError,
    FullError,
    NotFoundError,
    StorageError,
    UnavailableError,
)
from entrepot.core.fsspec_calls import entry_of, seconds_of, storage_error
from entrepot.core.fsspec_driver import FsspecDriver
from entrepot.core.fsspec_streams import gathered
from entrepot.core.testing import DriverSuite, Opening
from entrepot.core.testing.material import chunks_of, content, find, get, keys, put

pytestmark = pytest.mark.anyio
MIB = 1024 * 1024


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def local_filesystem() -> Any:
    return LocalFileSystem(skip_instance_cache=True)


class PrivateMemoryFileSystem(MemoryFileSystem):  # type: ignore[misc]  # fsspec is untyped
    """fsspec's, with a store of its own rather than the process's."""

    cachable = False
    store: dict[str, Any]
    pseudo_dirs: list[str]

    def __init__(self) -> None:
        super().__init__()  # pyright: ignore[reportUnknownMemberType]
        self.store = {}
        self.pseudo_dirs = [""]


class MemoryDriver(FsspecDriver):
    async def _replace(self, source: str, target: str) -> None:
        await self.calls.call("cp_file", source, self.calls.path(target))
        await self.calls.call("rm_file", source)


class ObjectFileSystem(AsyncFileSystem):  # type: ignore[misc]  # fsspec is untyped
    """An object store in a dictionary; every call lets others run."""

    protocol = "objects"
    cachable = False

    def __init__(self, objects: dict[str, tuple[bytes, float]]) -> None:
        super().__init__(  # pyright: ignore[reportUnknownMemberType]
            asynchronous=True
        )
        self.objects = objects

    async def _info(self, path: str, **kwargs: Any) -> dict[str, Any]:
        await asyncio.sleep(0)
        if path in self.objects:
            data, written = self.objects[path]
            return {"name": path, "type": "file", "size": len(data), "mtime": written}
        if any(name.startswith(f"{path}/") for name in self.objects):
            return {"name": path, "type": "directory", "size": 0}
        raise FileNotFoundError(path)

    async def _ls(self, path: str, detail: bool = True, **kwargs: Any) -> list[dict[str, Any]]:
        await asyncio.sleep(0)
        if path in self.objects:
            return [await self._info(path)]
        below = [name for name in self.objects if name.startswith(f"{path}/")]
        names = {path + "/" + name[len(path) + 1 :].partition("/")[0] for name in below}
        return [await self._info(name) for name in names]

    async def _cat_file(
        self, path: str, start: int | None = None, end: int | None = None, **kwargs: Any
    ) -> bytes:
        await asyncio.sleep(0)
        if path not in self.objects:
            raise FileNotFoundError(path)
        return self.objects[path][0][start:end]

    async def _pipe_file(
        self, path: str, value: bytes, mode: str = "overwrite", **kwargs: Any
    ) -> None:
        await asyncio.sleep(0)
        self.objects[path] = bytes(value), time.time()

    async def _put_file(
        self, lpath: str, rpath: str, mode: str = "overwrite", **kwargs: Any
    ) -> None:
        await self._pipe_file(rpath, await asyncio.to_thread(Path(lpath).read_bytes))

    async def _rm_file(self, path: str, **kwargs: Any) -> Any:
        await asyncio.sleep(0)
        if path not in self.objects:
            raise FileNotFoundError(path)
        del self.objects[path]


@pytest.mark.wide
@pytest.mark.real
class TestLocal(DriverSuite):
    @pytest.fixture
    def open_driver(self, tmp_path: Path) -> Opening:
        return lambda: FsspecDriver(local_filesystem(), str(tmp_path))


class TestMemory(DriverSuite):
    many = 1_001
    lowered: ClassVar[Mapping[str, str]] = {"many": "the wide tests ask for more"}

    @pytest.fixture
    def open_driver(self) -> Opening:
        filesystem = PrivateMemoryFileSystem()
        return lambda: MemoryDriver(filesystem, "/registry")


class TestAsynchronous(DriverSuite):
    @pytest.fixture
    def open_driver(self) -> Opening:
        objects: dict[str, tuple[bytes, float]] = {}
        return lambda: FsspecDriver(ObjectFileSystem(objects), "bucket/registry")


@pytest.fixture
async def local(tmp_path: Path) -> AsyncGenerator[FsspecDriver, None]:
    async with FsspecDriver(local_filesystem(), str(tmp_path)) as driver:
        yield driver


@pytest.fixture
async def objects() -> AsyncGenerator[FsspecDriver, None]:
    async with FsspecDriver(ObjectFileSystem({}), "bucket") as driver:
        yield driver


def test_driver_switches_off_the_cache_of_listings() -> None:
    filesystem: Any = LocalFileSystem(skip_instance_cache=True)
    filesystem.dircache["/a"] = [{"name": "/a/b"}]

    FsspecDriver(filesystem)
    filesystem.dircache["/c"] = [{"name": "/c/d"}]

    assert "/a" not in filesystem.dircache
    assert "/c" not in filesystem.dircache


def test_driver_refuses_an_asynchronous_filesystem_with_a_loop_of_its_own() -> None:
    filesystem = ObjectFileSystem({})
    filesystem.asynchronous = False

    with pytest.raises(ValueError, match="asynchronous=True"):
        FsspecDriver(filesystem)


def test_driver_refuses_a_filesystem_without_rename() -> None:
    with pytest.raises(ValueError, match="PrivateMemoryFileSystem has no rename"):
        FsspecDriver(PrivateMemoryFileSystem())


async def test_scan_passes_over_temporary_files_and_empty_folders(
    local: FsspecDriver, tmp_path: Path
) -> None:
    await put(local, "a/b")
    (tmp_path / "a" / f"{'0f' * 16}.tmp").write_bytes(b"left by a crash")
    (tmp_path / "c" / "d").mkdir(parents=True)
    (tmp_path / "e").mkdir()
    (tmp_path / "e" / f"{'0f' * 16}.tmp").write_bytes(b"left by a crash")

    assert await keys(local) == ["a/b"]
    async with aclosing(local.scan("", delimiter="/")) as entries:
        assert [entry.key async for entry in entries] == ["a/"]


async def test_scan_lists_no_folder_outside_its_prefix_and_place(objects: FsspecDriver) -> None:
    for key in ("a/1/x", "b/1/x", "b/2/x", "b/3/x", "c/1/x"):
        await put(objects, key)
    listed: list[str] = []
    listing = objects.calls.filesystem._ls

    async def ls(path: str, **options: Any) -> Any:
        listed.append(path)
        return await listing(path, **options)

    objects.calls.filesystem._ls = ls

    assert await keys(objects, "b/", after="b/2") == ["b/2/x", "b/3/x"]
    assert listed == ["bucket/b", "bucket/b/2", "bucket/b/3"]


async def test_delete_names_every_key_that_is_left(objects: FsspecDriver) -> None:
    for key in ("a", "b", "c"):
        await put(objects, key)
    removing = objects.calls.filesystem._rm_file

    async def refuse(path: str) -> None:
        if path != "bucket/b":
            raise PermissionError(path)
        await removing(path)

    objects.calls.filesystem._rm_file = refuse

    with pytest.raises(DeleteError) as raised:
        await objects.delete(["a", "b", "c", "d"])

    assert {key: type(error) for key, error in raised.value.failures.items()} == {
        "a": AccessError,
        "c": AccessError,
    }
    assert await keys(objects) == ["a", "c"]


async def test_read_that_comes_short_is_an_error(objects: FsspecDriver) -> None:
    await put(objects, "a", content(10))

    async def cut(*_: Any, **__: Any) -> bytes:
        return b"short"

    objects.calls.filesystem._cat_file = cut

    with pytest.raises(UnavailableError, match="got 5 of 9 bytes"):
        await get(objects, "a", 1)


async def test_read_of_what_is_replaced_meanwhile_is_an_error(objects: FsspecDriver) -> None:
    await put(objects, "a", content(9 * MIB, seed=1))

    async with aclosing(objects.read("a")) as chunks:
        await anext(chunks)
        await put(objects, "a", content(9 * MIB, seed=2))
        with pytest.raises(UnavailableError, match="replaced while it was read"):
            _ = [chunk async for chunk in chunks]


async def test_read_of_a_small_object_costs_two_requests(objects: FsspecDriver) -> None:
    await put(objects, "a", content(1000))
    asked: list[str] = []
    filesystem = objects.calls.filesystem

    def counting(name: str) -> None:
        method = getattr(filesystem, name)

        async def counted(*arguments: Any, **options: Any) -> Any:
            asked.append(name)
            return await method(*arguments, **options)

        setattr(filesystem, name, counted)

    for name in ("_info", "_cat_file", "_ls"):
        counting(name)

    assert await find(objects, "a") == content(1000)
    assert asked == ["_info", "_cat_file"]


async def test_write_to_a_full_filesystem_leaves_nothing(local: FsspecDriver) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    local.calls.filesystem.mv = refuse

    with pytest.raises(FullError):
        await put(local, "a/b")

    assert await keys(local) == []


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


async def test_write_leaves_no_file_beside(local: FsspecDriver, tmp_path: Path) -> None:
    await put(local, "a/b")
    with pytest.raises(ExistsError):
        await put(local, "a/b", create=True)

    assert names(tmp_path) == ["a", "a/b"]


async def test_create_has_one_winner_among_the_tasks_of_a_driver(
    local: FsspecDriver, objects: FsspecDriver
) -> None:
    for driver in (local, objects):
        outcomes = await asyncio.gather(
            *(put(driver, "a", content(number), create=True) for number in range(10)),
            return_exceptions=True,
        )

        won = [number for number, end in enumerate(outcomes) if end is None]
        assert {type(end) for end in outcomes} == {type(None), ExistsError}
        assert [await get(driver, "a")] == [content(number) for number in won]


async def test_move_is_a_rename(local: FsspecDriver, tmp_path: Path) -> None:
    await put(local, "a/b", b"content")
    before = (tmp_path / "a/b").stat().st_ino

    await local.move("a/b", "c/d")

    assert (tmp_path / "c/d").stat().st_ino == before
    assert names(tmp_path) == ["c", "c/d"]


ERRORS: list[tuple[Exception, type[StorageError]]] = [
    (FileNotFoundError(), NotFoundError),
    (NotADirectoryError(), NotFoundError),
    (IsADirectoryError(), NotFoundError),
    (FileExistsError(), ExistsError),
    (PermissionError(), AccessError),
    (OSError(errno.ENOSPC, "full"), FullError),
    (OSError(errno.EDQUOT, "quota"), FullError),
    (OSError(errno.EIO, "broken"), UnavailableError),
    (TimeoutError(), UnavailableError),
    (ConnectionResetError(), UnavailableError),
    (ValueError("client library"), UnavailableError),
]


@pytest.mark.parametrize(("error", "kind"), ERRORS)
def test_errors_have_their_kind(error: Exception, kind: type[StorageError]) -> None:
    translated = storage_error("a", error)

    assert type(translated) is kind
    assert translated.key == "a"


@pytest.mark.parametrize(
    "told",
    [
        1_700_000_000,
        1_700_000_000.0,
        "2023-11-14T22:13:20Z",
        "2023-11-14T23:13:20+01:00",
        "2023-11-14 22:13:20",
        "Tue, 14 Nov 2023 22:13:20 GMT",
        "20231114221320",
        "20231114221320.123",
    ],
)
def test_times_are_seconds_in_utc(told: float | str) -> None:
    assert seconds_of(told) == 1_700_000_000


def test_object_without_a_time_is_as_new_as_can_be() -> None:
    assert entry_of("a", {"size": 1}).modified == pytest.approx(time.time(), abs=60)


class TestGathered:
    cases: ClassVar[list[tuple[list[int], list[int]]]] = [
        ([], []),
        ([0, 0], []),
        ([3, 3], [6]),
        ([4, 5, 3, 1], [9, 4]),
        ([12, 1], [12, 1]),
        ([6], [6]),
    ]

    @pytest.mark.parametrize(("sizes", "gathered_sizes"), cases)
    async def test_pieces_have_at_least_the_size(
        self, sizes: list[int], gathered_sizes: list[int]
    ) -> None:
        chunks = [content(size) for size in sizes]

        pieces = [piece async for piece in gathered(chunks_of(chunks), 6)]

        assert [len(piece) for piece in pieces] == gathered_sizes
        assert b"".join(pieces) == b"".join(chunks)


async def test_scan_below_an_object_that_lists_itself_gives_nothing(objects: FsspecDriver) -> None:
    await put(objects, "a/bc")
    listing = objects.calls.filesystem._ls

    async def ls(path: str, **options: Any) -> Any:
        if path == "bucket/a/bc":
            return [{"name": "bucket/a/bc/bc", "type": "file", "size": 1}]
        return await listing(path, **options)

    objects.calls.filesystem._ls = ls

    assert await keys(objects, "a/bc/") == []
    assert await keys(objects, "a/bc") == ["a/bc"]
