"""The read cache on a disk that fails, and with processes that share its folder or die."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest

from entrepot.core import AccessError, ConfigurationError, Driver
from entrepot.core.configuration import load
from entrepot.core.layers import layers
from entrepot.core.names import Digest
from entrepot.core.plugins import load_plugins
from entrepot.core.streams import once
from entrepot.core.testing import FaultyDriver
from entrepot.drivers.filesystem.threads import PacedThreads
from entrepot.drivers.inmemory import InMemoryDriver
from entrepot.drivers.readcache import CacheOptions, fills, open_cache, reading
from entrepot.drivers.readcache.driver import CachingDriver
from entrepot.drivers.readcache.folder import Folder

pytestmark = pytest.mark.anyio
KIB = 1024
SIZE = 64 * KIB
COUNT = 40
BUDGET = 16 * SIZE
FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def content(number: int) -> bytes:
    return random.Random(number).randbytes(SIZE)


def key(number: int) -> str:
    digest = Digest.of(content(number))
    return f"docker/registry/v2/blobs/sha256/{digest.hex[:2]}/{digest.hex}/data"


async def get(driver: Driver, number: int) -> bytes:
    async with aclosing(driver.read(key(number))) as chunks:
        return b"".join([chunk async for chunk in chunks])


class Clock:
    """Time that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def cached(
    folder: Path, clock: Clock
) -> AsyncGenerator[tuple[CachingDriver, FaultyDriver], None]:
    remote = FaultyDriver(InMemoryDriver())
    await remote.write(key(1), once(content(1)))
    where = Folder(str(folder), BUDGET)
    where.prepare()
    threads = PacedThreads(4)
    cache = CachingDriver(remote, where, threads, BUDGET, clock=clock)
    yield cache, remote
    await cache.close()
    threads.close()


async def test_full_disk_fails_no_read_and_is_left_alone_for_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise FULL

    clock = Clock()
    async with cached(tmp_path, clock) as (cache, _):
        monkeypatch.setattr(fills, "write_all", full)
        for _ in range(3):
            assert await get(cache, 1) == content(1)
            await cache.settled()
        assert cache.counts.fills == 1
        assert cache.folder.used() == 0

        monkeypatch.undo()
        clock.now = 31.0
        await get(cache, 1)
        await cache.settled()
        assert cache.folder.used() == SIZE
    message = f"nothing new is kept in {tmp_path} for a while: {FULL}"
    assert [record.getMessage() for record in caplog.records] == [message]


async def test_folder_that_is_taken_away_fails_no_read(tmp_path: Path) -> None:
    async with cached(tmp_path / "cache", Clock()) as (cache, _):
        await get(cache, 1)
        await cache.settled()
        tmp_path.joinpath("cache").rename(tmp_path / "gone")

        for _ in range(2):
            assert await get(cache, 1) == content(1)
            await cache.settled()


async def test_copy_that_cannot_be_read_on_is_read_on_from_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_PIECE", SIZE // 4)
    async with cached(tmp_path, Clock()) as (cache, _):
        await get(cache, 1)
        await cache.settled()
        copy = cache.local_path(key(1))
        assert copy is not None

        async with aclosing(cache.read(key(1))) as chunks:
            found = await anext(chunks)
            os.truncate(copy, SIZE // 2)
            found += b"".join([chunk async for chunk in chunks])

        assert found == content(1)
        assert cache.counts.passed == 1


async def test_folder_that_cannot_be_made_is_told_at_the_start(tmp_path: Path) -> None:
    tmp_path.joinpath("file").touch()
    options = CacheOptions(rootdirectory=str(tmp_path / "file"))

    with pytest.raises(AccessError, match=f"cannot use the folder {tmp_path}/file: "):
        async with open_cache(options, InMemoryDriver()):
            pass


def configured(options: str) -> CacheOptions:
    text = f"[{{name: cache, options: {options}}}]"
    variables = {"REGISTRY_STORAGE": "inmemory", "REGISTRY_MIDDLEWARE_STORAGE": text}
    (layer,) = layers(load(None, variables).configuration, load_plugins())
    assert isinstance(layer.options, CacheOptions)
    return layer.options


@pytest.mark.parametrize(
    ("text", "size"),
    [("", 10 * KIB**3), (", size: 1000", 1000), (", size: '5 MB'", 5_000_000),
     (", size: 10GiB", 10 * KIB**3), (", size: 1.5KiB", 1536)],
)  # fmt: skip
def test_size_is_bytes_or_has_a_unit(text: str, size: int) -> None:
    assert configured(f"{{rootdirectory: /c{text}}}").size == size


@pytest.mark.parametrize(
    ("options", "path"),
    [("{size: 1}", "rootdirectory"), ("{rootdirectory: /c, size: 0}", "size"),
     ("{rootdirectory: /c, size: much}", "size"), ("{rootdirectory: /c, maxobject: -1}",
     "maxobject"), ("{rootdirectory: ''}", "rootdirectory"),
     ("{rootdirectory: /c, sise: 1}", "sise")],
)  # fmt: skip
def test_mistake_in_options_is_told_with_its_path(options: str, path: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"middleware\.storage\.0\.options\.{path}: "):
        configured(options)


SHARING = """
import asyncio, random, sys
sys.path.insert(0, sys.argv[1])
from entrepot.core.streams import once
from entrepot.drivers.inmemory import InMemoryDriver
from entrepot.drivers.readcache import CacheOptions, open_cache
from tests.drivers.test_readcache_disk import BUDGET, COUNT, content, get, key

async def main(folder, seed):
    remote = InMemoryDriver()
    for number in range(COUNT):
        await remote.write(key(number), once(content(number)))
    order = random.Random(seed).choices(range(COUNT), k=200)
    async with open_cache(CacheOptions(rootdirectory=folder, size=BUDGET), remote) as cache:
        for at in range(0, len(order), 4):
            numbers = order[at : at + 4]
            found = await asyncio.gather(*[get(cache, number) for number in numbers])
            assert found == [content(number) for number in numbers]
        await cache.settled()
        assert cache.counts.failed == 0
        assert cache.counts.hits > 0
        assert cache.folder.evicted > 0

asyncio.run(main(sys.argv[2], int(sys.argv[3])))
"""

HANGING = """
import asyncio, sys
sys.path.insert(0, sys.argv[1])
from entrepot.core.streams import once
from entrepot.core.testing import Fault, FaultyDriver, Hang
from entrepot.drivers.inmemory import InMemoryDriver
from entrepot.drivers.readcache import CacheOptions, open_cache
from tests.drivers.test_readcache_disk import BUDGET, content, get, key

async def main(folder):
    remote = FaultyDriver(InMemoryDriver())
    await remote.write(key(1), once(content(1)))
    hang = Hang()
    remote.faults = [Fault("read", hang=hang, when="midway")]
    async with open_cache(CacheOptions(rootdirectory=folder, size=BUDGET), remote) as cache:
        reading = asyncio.create_task(get(cache, 1))
        await hang.reached.wait()
        print("filling", flush=True)
        await reading

asyncio.run(main(sys.argv[2]))
"""
ROOT = str(Path(__file__).parents[2])


def test_processes_share_a_folder_and_its_budget(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    commands = [[sys.executable, "-c", SHARING, ROOT, str(folder), str(seed)] for seed in (1, 2)]
    processes = [subprocess.Popen(command) for command in commands]

    assert [process.wait(120) for process in processes] == [0, 0]

    copies = [path.stat().st_size for path in folder.glob("v1/copies/*/*/*")]
    assert set(copies) == {SIZE}
    assert sum(copies) <= Folder(str(folder), BUDGET).used() <= BUDGET
    assert list(folder.glob("v1/filling/*")) == []


async def test_killed_while_it_fills_leaves_nothing_that_is_served_or_stays(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "cache"
    command = [sys.executable, "-c", HANGING, ROOT, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:  # noqa: ASYNC220
        assert process.stdout is not None
        assert process.stdout.readline() == b"filling\n"
        process.send_signal(signal.SIGKILL)
    left = [path.name for path in folder.glob("v1/filling/*")]
    assert left == [f"sha256-{Digest.of(content(1)).hex}.{SIZE}"]
    assert Folder(str(folder), BUDGET).used() == SIZE

    async with cached(folder, Clock()) as (cache, remote):
        assert list(folder.glob("v1/filling/*")) == []
        assert cache.folder.used() == 0
        for _ in range(2):
            assert await get(cache, 1) == content(1)
            await cache.settled()
        assert [operation for operation, _ in remote.calls].count("read") == 1
