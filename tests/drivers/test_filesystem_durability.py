"""What is on the disk when a call returns, and after a process is killed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.drivers.conftest import Open
from tests.drivers.watching import files_below, noted

from entrepot.core import Driver
from entrepot.core.testing.material import Broken, breaking, content, find, get, keys, pieces, put

pytestmark = pytest.mark.anyio

TEMPORARY = re.compile(r"\.[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\.tmp$")
MIB = 1024 * 1024

ENDLESS = """
import asyncio, sys
from entrepot.drivers.filesystem import FilesystemOptions, open_filesystem

async def endless():
    while True:
        yield b"new!" * 262144
        print("chunk", flush=True)

async def main():
    async with open_filesystem(FilesystemOptions(rootdirectory=sys.argv[1])) as driver:
        if sys.argv[2] == "write":
            await driver.write("a/b", endless())
        else:
            await driver.upload("a/u").append(endless(), 0)

asyncio.run(main())
"""


@contextmanager
def killed_midway(root: Path, what: str) -> Generator[None, None, None]:
    """Another process wrote some MiB of an endless stream and was killed."""
    command = [sys.executable, "-c", ENDLESS, str(root), what]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for _ in range(8):
            assert process.stdout.readline() == b"chunk\n"
        process.send_signal(signal.SIGKILL)
    yield


def plain(calls: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    return [tuple(TEMPORARY.sub(".tmp", word) for word in call) for call in calls]


async def test_write_syncs_content_before_the_name_and_names_before_return(
    driver: Driver, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with noted(monkeypatch, root, "fsync", "replace") as calls:
        await put(driver, "a/b/c", b"x")

    assert plain(calls) == [
        ("fsync", "a/b/c.tmp"),
        ("replace", "a/b/c.tmp", "a/b/c"),
        ("fsync", "a/b"),
        ("fsync", "."),  # which got `a`
        ("fsync", "a"),  # which got `b`
    ]


async def test_write_of_a_long_stream_syncs_alike(
    driver: Driver, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(driver, "a/0")

    with noted(monkeypatch, root, "fsync", "replace") as calls:
        await put(driver, "a/b", content(3 * MIB))

    assert plain(calls) == [
        ("fsync", "a/b.tmp"),
        ("replace", "a/b.tmp", "a/b"),
        ("fsync", "a"),
    ]


async def test_create_syncs_alike(
    driver: Driver, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(driver, "a/0")

    with noted(monkeypatch, root, "fsync", "link", "unlink") as calls:
        await put(driver, "a/b", create=True)

    assert plain(calls) == [
        ("fsync", "a/b.tmp"),
        ("link", "a/b.tmp", "a/b"),
        ("unlink", "a/b.tmp"),
        ("fsync", "a"),
    ]


async def test_append_syncs_what_it_added(
    driver: Driver, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(driver, "u/startedat")

    with noted(monkeypatch, root, "fsync") as first:
        await driver.upload("u").append(pieces(b"one"), 0)
    with noted(monkeypatch, root, "fsync") as second:
        await driver.upload("u").append(pieces(b"two"), 3)

    assert first == [("fsync", "u/data"), ("fsync", "u")]
    assert second == [("fsync", "u/data")]


async def test_append_of_a_broken_stream_syncs_what_came(
    driver: Driver, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with noted(monkeypatch, root, "fsync") as calls, pytest.raises(Broken):
        await driver.upload("u").append(breaking(b"some", Broken()), 0)

    assert ("fsync", "u/data") in calls
    assert await driver.upload("u").size() == 4


async def test_commit_syncs_before_the_name_and_both_folders_before_return(
    driver: Driver, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(driver, "u/startedat")
    await driver.upload("u").append(pieces(b"some"), 0)

    with noted(monkeypatch, root, "fsync", "replace") as calls:
        await driver.upload("u").commit("b/data", 4)

    assert calls == [
        ("fsync", "u/data"),
        ("replace", "u/data", "b/data"),
        ("fsync", "b"),
        ("fsync", "."),
        ("fsync", "u"),
    ]


async def test_nothing_is_synced_without_fsync(
    open_root: Open, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_root(fsync=False) as driver:
        with noted(monkeypatch, root, "fsync") as calls:
            await put(driver, "a/b", content(3 * MIB))
            await driver.upload("u").append(pieces(b"some"), 0)
            await driver.upload("u").commit("c", 4)
            await driver.copy("c", "d")
            await driver.move("d", "e/f")

    assert calls == []


async def test_modified_is_the_time_of_the_commit(driver: Driver, root: Path) -> None:
    """Garbage collection asks how long an object has been there, not its bytes."""
    await put(driver, "now")
    await driver.upload("u").append(pieces(b"some"), 0)
    os.utime(root / "u/data", (1e9, 1e9))

    entry = await driver.upload("u").commit("a", 4)

    assert entry.modified >= (await driver.stat("now")).modified
    assert entry == await driver.stat("a")


async def test_modified_is_the_time_of_the_move(driver: Driver, root: Path) -> None:
    await put(driver, "now")
    await put(driver, "a")
    os.utime(root / "a", (1e9, 1e9))

    entry = await driver.move("a", "b")

    assert entry.modified >= (await driver.stat("now")).modified
    assert entry == await driver.stat("b")


async def test_killed_write_leaves_the_old_content_whole(driver: Driver, root: Path) -> None:
    await put(driver, "a/b", b"old content")

    with killed_midway(root, "write"):
        left = files_below(root)

    assert len(left) == 2
    assert any(TEMPORARY.search(name) for name in left)  # it was in the middle
    assert await get(driver, "a/b") == b"old content"
    assert await keys(driver) == ["a/b"]


async def test_killed_write_leaves_no_object(driver: Driver, root: Path) -> None:
    with killed_midway(root, "write"):
        assert len(files_below(root)) == 1

    assert await find(driver, "a/b") is None
    assert await keys(driver) == []
    await put(driver, "a/b", b"again")
    assert await get(driver, "a/b") == b"again"


async def test_killed_append_leaves_a_true_prefix_to_go_on_from(driver: Driver, root: Path) -> None:
    with killed_midway(root, "append"):
        size = await driver.upload("a/u").size()

    assert size >= 4 * MIB
    await driver.upload("a/u").append(pieces(b"end"), size)
    await driver.upload("a/u").commit("a/b", size + 3)
    assert await get(driver, "a/b") == (b"new!" * (size // 4 + 1))[:size] + b"end"


async def test_modes_follow_the_umask(driver: Driver, root: Path) -> None:
    before = os.umask(0o027)
    try:
        await put(driver, "a/b")
        await driver.upload("u").append(pieces(b"some"), 0)
    finally:
        os.umask(before)

    assert (root / "a").stat().st_mode & 0o777 == 0o750
    assert (root / "a/b").stat().st_mode & 0o777 == 0o640
    assert (root / "u/data").stat().st_mode & 0o777 == 0o640
