"""Keys as files in folders: their order, what is hidden, and folders that come and go."""

from __future__ import annotations

import asyncio
import os
import shutil
from contextlib import aclosing
from pathlib import Path

import pytest
from tests.drivers.conftest import Open
from tests.drivers.watching import files_below, noted

from entrepot.core import Driver, KeyInvalidError, NotFoundError, UnavailableError
from entrepot.core.testing.material import (
    Broken,
    breaking,
    content,
    find,
    folder,
    get,
    keys,
    pieces,
    put,
    put_all,
)

pytestmark = pytest.mark.anyio

LEFTOVER = "b.0b0e5d11-3a5c-4b6e-9d6e-6f0a4ac4f7aa.tmp"


async def test_key_is_the_path_below_the_root(driver: Driver, root: Path) -> None:
    await put(driver, "docker/registry/v2/x", b"content")

    assert (root / "docker/registry/v2/x").read_bytes() == b"content"
    assert driver.local_path("docker/registry/v2/x") == str(root / "docker/registry/v2/x")


async def test_leftover_of_a_write_is_no_object(driver: Driver, root: Path) -> None:
    (root / "a").mkdir()
    (root / "a" / LEFTOVER).write_bytes(b"half")

    assert await keys(driver) == []
    assert await folder(driver) == []
    assert await keys(driver, f"a/{LEFTOVER}") == []


async def test_leftover_of_a_write_cannot_be_named(driver: Driver, root: Path) -> None:
    (root / LEFTOVER).write_bytes(b"half")

    for refused in (driver.stat(LEFTOVER), find(driver, LEFTOVER), put(driver, LEFTOVER)):
        with pytest.raises(KeyInvalidError):
            await refused
    assert (root / LEFTOVER).read_bytes() == b"half"


@pytest.mark.parametrize("name", ["b.tmp", f"{LEFTOVER}.old", LEFTOVER[2:], "0b0e5d11.tmp"])
async def test_names_like_a_leftovers_are_names(driver: Driver, name: str) -> None:
    await put(driver, f"a/{name}")

    assert await keys(driver) == [f"a/{name}"]


async def test_empty_folders_are_no_objects(driver: Driver, root: Path) -> None:
    """Distribution leaves them where it deleted."""
    (root / "a/b/c").mkdir(parents=True)
    await put(driver, "d/e")

    assert await folder(driver) == ["<d/>"]
    assert await keys(driver) == ["d/e"]


async def test_what_is_no_file_is_no_object(driver: Driver, root: Path) -> None:
    """And opening it waits for nobody."""
    os.mkfifo(root / "pipe")

    assert await keys(driver) == []
    assert await find(driver, "pipe") is None
    with pytest.raises(NotFoundError):
        await driver.stat("pipe")


async def test_names_that_no_key_has_are_not_listed(driver: Driver, root: Path) -> None:
    for name in ("lost+found", "a b", "ä"):
        (root / name).mkdir()
        (root / name / "x").touch()
    await put(driver, "k")

    assert await folder(driver) == ["k"]


async def test_scan_skips_folders_before_its_place(
    driver: Driver, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put_all(driver, [f"a/{number}/x" for number in range(8)])

    with noted(monkeypatch, root, "scandir") as calls:
        found = await keys(driver, "a/", after="a/5/x")

    assert found == ["a/6/x", "a/7/x"]
    assert [path for _, path in calls] == ["a", "a/5", "a/6", "a/7"]


async def test_scan_of_a_prefix_reads_only_folders_that_begin_like_it(
    driver: Driver, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put_all(driver, ["a/b/1", "a/bc/1", "a/c/1", "b/b/1"])

    with noted(monkeypatch, root, "scandir") as calls:
        found = await keys(driver, "a/b")

    assert found == ["a/b/1", "a/bc/1"]
    assert [path for _, path in calls] == ["a", "a/b", "a/bc"]


async def test_scan_behind_its_prefix_reads_nothing(
    driver: Driver, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(driver, "a/b")

    with noted(monkeypatch, root, "scandir") as calls:
        assert await keys(driver, "a/", after="a0") == []

    assert calls == []


async def test_scan_with_delimiter_looks_for_one_object_in_a_folder(
    driver: Driver, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put_all(driver, [f"a/{number}/x" for number in range(8)])

    with noted(monkeypatch, root, "scandir") as calls:
        assert await folder(driver) == ["<a/>"]

    assert len(calls) == 3  # the root, `a`, and one of those in it


async def test_scan_while_folders_vanish(driver: Driver, root: Path) -> None:
    names = [f"{number:03d}" for number in range(60)]
    await put_all(driver, [f"{name}/x" for name in names])

    found: list[str] = []
    async with aclosing(driver.scan("")) as entries:
        async for entry in entries:
            found.append(entry.key)
            if len(found) == 1:
                for name in names[20:40]:
                    shutil.rmtree(root / name)
                shutil.rmtree(root / names[40])
                (root / names[40]).write_bytes(b"a file now")

    assert found == [f"{name}/x" for name in names[:20] + names[41:]]


async def test_delete_leaves_no_folder_but_the_root(driver: Driver, root: Path) -> None:
    await put_all(driver, ["a/b/c", "a/b/d"])

    await driver.delete(["a/b/c"])
    assert files_below(root) == ["a/b/d"]
    await driver.delete(["a/b/d"])

    assert files_below(root) == []
    assert files_below(root.parent) == ["root/"]


async def test_delete_of_many_removes_the_folders_that_become_empty(
    driver: Driver, root: Path
) -> None:
    await put_all(driver, ["a/b/c/d", "a/b/e/d", "a/b/e/f", "a/g/h/d", "i/j", "k"])

    await driver.delete(["a/b/c/d", "a/b/e/d", "a/g/h/d", "a/missing/h", "i", "i/j", "k"])

    assert files_below(root) == ["a/b/e/f"]


async def test_delete_of_a_missing_key_removes_empty_folders_above_it(
    driver: Driver, root: Path
) -> None:
    """A deletion that was broken off between the two is finished by its repetition."""
    (root / "a/b").mkdir(parents=True)

    await driver.delete(["a/b/c"])

    assert files_below(root) == []


async def test_failed_write_leaves_no_folder(driver: Driver, root: Path) -> None:
    with pytest.raises(Broken):
        await driver.write("a/b/c", breaking(content(3 * 1024 * 1024), Broken()))

    assert files_below(root) == []


async def test_ended_uploads_leave_no_folder(driver: Driver, root: Path) -> None:
    await driver.upload("u/1").append(pieces(b"some"), 0)
    await driver.upload("u/1").commit("b", 4)
    await driver.upload("u/2").append(pieces(b"some"), 0)
    await driver.upload("u/2").abort()
    await driver.upload("u/3").append(pieces(b""), 0)

    assert files_below(root) == ["b"]


async def test_writes_and_deletes_of_siblings_at_once(open_root: Open, root: Path) -> None:
    """Who deletes the last object of a folder takes it away from under who writes the next."""

    async def again_and_again(driver: Driver, number: int) -> None:
        for turn in range(40):
            key = f"a/b/c/{number % 3}/{number}-{turn}"
            await driver.write(key, pieces(b"x"), create=turn % 2 == 0)
            assert await get(driver, key) == b"x"
            await driver.delete([key])

    async with open_root(fsync=False) as driver, asyncio.TaskGroup() as group:
        for number in range(12):
            group.create_task(again_and_again(driver, number))

    assert files_below(root) == []


async def test_uploads_and_deletes_of_siblings_at_once(open_root: Open, root: Path) -> None:
    async def again_and_again(driver: Driver, number: int) -> None:
        for turn in range(25):
            upload = driver.upload(f"a/u/{number}")
            await upload.append(pieces(b"some"), 0)
            await upload.commit(f"b/{number % 3}/{number}", 4)
            await driver.move(f"b/{number % 3}/{number}", f"c/{turn % 3}/{number}")
            await driver.delete([f"c/{turn % 3}/{number}"])

    async with open_root(fsync=False) as driver, asyncio.TaskGroup() as group:
        for number in range(12):
            group.create_task(again_and_again(driver, number))

    assert files_below(root) == []


async def test_write_whose_object_is_deleted_before_it_returns(
    driver: Driver, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its folder is gone, too, when its name is to be made durable."""
    replace = os.replace

    def replaced_and_deleted(source: str, target: str) -> None:
        replace(source, target)
        os.unlink(target)
        os.rmdir(root / "a/b")

    monkeypatch.setattr(os, "replace", replaced_and_deleted)

    assert (await driver.write("a/b/c", pieces(b"x"))).size == 1


async def test_move_whose_source_is_deleted_before_it_is_renamed(
    driver: Driver, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(driver, "a")
    replace = os.replace

    def deleted_and_replaced(source: str, target: str) -> None:
        if os.path.exists(source):
            os.unlink(source)
        replace(source, target)

    monkeypatch.setattr(os, "replace", deleted_and_replaced)

    with pytest.raises(NotFoundError):
        await driver.move("a", "b/c")
    assert files_below(root) == []


async def test_vanished_root_is_not_made_again(driver: Driver, root: Path) -> None:
    """It may be a mount that failed: what is below it is another disk."""
    os.rmdir(root)

    for refused in (put(driver, "a/b"), driver.upload("u").append(pieces(b"some"), 0)):
        with pytest.raises(UnavailableError, match="root folder is gone"):
            await refused
    assert files_below(root.parent) == []


async def test_write_below_an_object_is_refused(driver: Driver) -> None:
    await put(driver, "a/b", b"old")

    with pytest.raises(KeyInvalidError, match="Not a directory"):
        await put(driver, "a/b/c")
    assert await get(driver, "a/b") == b"old"


async def test_write_in_the_place_of_a_folder_is_refused(driver: Driver, root: Path) -> None:
    await put(driver, "a/b", b"old")

    for size in (1, 3 * 1024 * 1024):
        with pytest.raises(KeyInvalidError, match="Is a directory"):
            await put(driver, "a", content(size))
    assert files_below(root) == ["a/b"]
