"""Uploads in one file: who else touches it, and how appends and ends exclude each other."""

from __future__ import annotations

import asyncio
import fcntl
import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.drivers.watching import files_below

from entrepot.core import Driver, OffsetError
from entrepot.core.testing.material import Broken, Stalled, breaking, content, get, keys, pieces

pytestmark = pytest.mark.anyio

LOCKING = """
import fcntl, sys
with open(sys.argv[1], "r+b") as file:
    fcntl.flock(file, fcntl.LOCK_EX)
    print("locked", flush=True)
    sys.stdin.read()
"""


@contextmanager
def locked_elsewhere(path: Path) -> Generator[None, None, None]:
    """Another process appends to the file."""
    command = [sys.executable, "-c", LOCKING, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"locked\n"
        yield
        process.communicate()


async def test_upload_grows_where_distribution_keeps_it(driver: Driver, root: Path) -> None:
    await driver.upload("r/_uploads/1").append(pieces(b"one"), 0)
    await driver.upload("r/_uploads/1").append(pieces(b"two"), 3)

    assert (root / "r/_uploads/1/data").read_bytes() == b"onetwo"


async def test_upload_that_distribution_began_goes_on(driver: Driver, root: Path) -> None:
    """It makes the file, empty, when the upload begins."""
    (root / "u").mkdir()
    (root / "u/data").touch()

    await driver.upload("u").append(pieces(b"some"), 0)
    await driver.upload("u").commit("a", 4)

    assert await get(driver, "a") == b"some"


async def test_empty_upload_that_distribution_began_is_committed(
    driver: Driver, root: Path
) -> None:
    (root / "u").mkdir()
    (root / "u/data").touch()

    await driver.upload("u").commit("a", 0)

    assert files_below(root) == ["a"]


async def test_append_beside_another_processs_is_refused(driver: Driver, root: Path) -> None:
    await driver.upload("u").append(pieces(b"some"), 0)

    with locked_elsewhere(root / "u/data"):
        for refused in (
            driver.upload("u").append(pieces(b"more"), 4),
            driver.upload("u").commit("a", 4),
        ):
            with pytest.raises(OffsetError, match="under way"):
                await refused

    await driver.upload("u").append(pieces(b"more"), 4)
    assert (root / "u/data").read_bytes() == b"somemore"


async def test_commit_during_an_append_is_refused(driver: Driver) -> None:
    await driver.upload("u").append(pieces(b"some"), 0)
    stalled = Stalled(b"more")
    task = stalled.begin(driver.upload("u").append(stalled.chunks(), 4))
    await stalled.reached.wait()

    with pytest.raises(OffsetError, match="under way"):
        await driver.upload("u").commit("a", 4)

    stalled.released.set()
    assert await task == 8
    assert await keys(driver) == ["u/data"]


async def test_append_is_refused_when_the_upload_was_aborted_meanwhile(
    driver: Driver, root: Path
) -> None:
    stalled = Stalled(b"some", b"more")
    task = stalled.begin(driver.upload("u").append(stalled.chunks(), 0))
    await stalled.reached.wait()

    await driver.upload("u").abort()
    await driver.upload("u").append(pieces(b"other"), 0)
    stalled.released.set()
    with pytest.raises(OffsetError, match="meanwhile"):
        await task

    assert (root / "u/data").read_bytes() == b"other"


async def test_append_never_reaches_an_object_that_was_committed_meanwhile(
    driver: Driver, root: Path
) -> None:
    """Distribution takes no locks: it renames the file when it likes."""
    stalled = Stalled(b"", b"more")
    await driver.upload("u").append(pieces(b"some"), 0)
    task = stalled.begin(driver.upload("u").append(stalled.chunks(), 4))
    await stalled.reached.wait()

    (root / "u/data").rename(root / "blob")
    stalled.released.set()
    with pytest.raises(OffsetError, match="meanwhile"):
        await task


@pytest.mark.parametrize("end", ["append", "commit"])
async def test_upload_that_ends_before_it_is_locked_is_left_alone(
    driver: Driver, root: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    """Another process committed it after its file was opened here: now that is an object."""
    await driver.upload("u").append(pieces(b"some"), 0)
    flock = fcntl.flock

    def committed_and_locked(file: int, how: int) -> None:
        os.rename(root / "u/data", root / "blob")
        flock(file, how)

    monkeypatch.setattr(fcntl, "flock", committed_and_locked)
    upload = driver.upload("u")
    refused = upload.append(pieces(b"more"), 4) if end == "append" else upload.commit("a", 4)

    with pytest.raises(OffsetError, match="finished or removed meanwhile"):
        await refused
    assert files_below(root) == ["blob", "u/"]
    assert (root / "blob").read_bytes() == b"some"


async def test_commit_whose_upload_is_removed_before_it_is_renamed(
    driver: Driver, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await driver.upload("u").append(pieces(b"some"), 0)
    replace = os.replace

    def removed_and_replaced(source: str, target: str) -> None:
        if os.path.exists(source):
            os.unlink(source)
        replace(source, target)

    monkeypatch.setattr(os, "replace", removed_and_replaced)

    with pytest.raises(OffsetError, match="removed meanwhile"):
        await driver.upload("u").commit("a/b", 4)
    assert "a/" not in files_below(root)


async def test_commits_at_once_have_one_winner(driver: Driver) -> None:
    for turn in range(20):
        await driver.upload("u").append(pieces(b"some"), 0)

        outcomes = await asyncio.gather(
            *(driver.upload("u").commit(f"a/{turn}/{number}", 4) for number in range(4)),
            return_exceptions=True,
        )

        lost = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        assert len(lost) == 3
        assert all(isinstance(outcome, OffsetError) for outcome in lost)
        assert len(await keys(driver, f"a/{turn}/")) == 1


async def test_append_of_chunks_of_every_size(driver: Driver) -> None:
    """More than one call of the system takes, and less than is worth a hop to a thread."""
    data = content(2 * 1024 * 1024 + 17)

    await driver.upload("u").append(pieces(data[:70_000], 7), 0)
    await driver.upload("u").append(pieces(data[70_000:], 1000), 70_000)
    await driver.upload("u").commit("a", len(data))

    assert await get(driver, "a") == data


@pytest.mark.parametrize("size", [0, 10, 1024 * 1024, 1024 * 1024 + 1])
async def test_stream_is_not_pulled_behind_its_end(driver: Driver, size: int) -> None:
    class Once:
        """Ends once, and takes it amiss to be asked again."""

        def __init__(self) -> None:
            self._chunks = iter([content(size)])
            self._ended = False

        def __aiter__(self) -> Once:
            return self

        async def __anext__(self) -> bytes:
            assert not self._ended
            chunk = next(self._chunks, None)
            if chunk is None:
                self._ended = True
                raise StopAsyncIteration
            return chunk

    await driver.write("a", Once())
    await driver.upload("u").append(Once(), 0)
    await driver.upload("u").commit("b", size)

    assert [(await driver.stat(key)).size for key in ("a", "b")] == [size, size]


async def test_append_that_breaks_keeps_all_that_came(driver: Driver, root: Path) -> None:
    data = content(1024 * 1024 + 5)

    with pytest.raises(Broken):
        await driver.upload("u").append(breaking(data, Broken()), 0)

    assert (root / "u/data").read_bytes() == data
