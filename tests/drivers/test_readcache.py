"""The read cache: what is kept, when the store is asked, and what fails no read."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Literal

import pytest

from entrepot.core import Driver, NotFoundError, UnavailableError
from entrepot.core.names import Digest
from entrepot.core.streams import once
from entrepot.core.testing import DriverSuite, Fault, FaultyDriver, Hang, Opening
from entrepot.drivers.filesystem import FilesystemOptions, open_filesystem
from entrepot.drivers.inmemory import InMemoryDriver, Store
from entrepot.drivers.readcache import CacheOptions, open_cache
from entrepot.drivers.readcache.driver import CachingDriver, blob_of
from entrepot.drivers.readcache.folder import Folder

pytestmark = pytest.mark.anyio
MIB = 1024 * 1024
CONTENT = random.Random(1).randbytes(3 * MIB + 7)


def key_of(content: bytes, algorithm: str = "sha256") -> str:
    digest = Digest.of(content, algorithm)
    return f"docker/registry/v2/blobs/{algorithm}/{digest.hex[:2]}/{digest.hex}/data"


KEY = key_of(CONTENT)


class Remote(FaultyDriver):
    """A store whose reads are counted, and that gives links."""

    async def link(self, key: str, method: Literal["GET", "HEAD"], seconds: int) -> str | None:
        return f"https://bucket.test/{key}"

    def reads(self) -> int:
        """Since the last time."""
        calls, self.calls = self.calls, []
        return [operation for operation, _ in calls].count("read")


@pytest.fixture
async def remote() -> Remote:
    remote = Remote(InMemoryDriver())
    await remote.write(KEY, once(CONTENT))
    return remote


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@asynccontextmanager
async def opened(
    remote: Driver, folder: Path, **options: object
) -> AsyncGenerator[CachingDriver, None]:
    given = CacheOptions.model_validate({"rootdirectory": str(folder)} | options)
    async with open_cache(given, remote) as driver:
        assert isinstance(driver, CachingDriver)
        yield driver


@pytest.fixture
async def cache(remote: Remote, folder: Path) -> AsyncGenerator[CachingDriver, None]:
    async with opened(remote, folder) as driver:
        yield driver


async def get(driver: Driver, key: str = KEY, start: int = 0, stop: int | None = None) -> bytes:
    async with aclosing(driver.read(key, start, stop)) as chunks:
        return b"".join([chunk async for chunk in chunks])


def copies(folder: Path) -> list[Path]:
    return [path for path in folder.glob("v1/copies/*/*/*") if path.is_file()]


def unfinished(folder: Path) -> list[Path]:
    return list(folder.glob("v1/filling/*"))


async def test_second_read_is_from_the_disk(cache: CachingDriver, remote: Remote) -> None:
    assert await get(cache) == CONTENT
    await cache.settled()
    assert remote.reads() == 1

    assert await get(cache) == CONTENT
    assert await get(cache, KEY, 10, 20) == CONTENT[10:20]
    assert await get(cache, KEY, 5, 10 * MIB) == CONTENT[5:]
    assert await get(cache, KEY, MIB, 3 * MIB) == CONTENT[MIB : 3 * MIB]
    assert remote.calls == []
    assert cache.counts.hits == 4


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
async def test_read_of_known_size_is_kept(
    cache: CachingDriver, remote: Remote, folder: Path, algorithm: str
) -> None:
    """As the server reads: it asks for the size, then for so many bytes."""
    key = key_of(b"small", algorithm)
    await remote.write(key, once(b"small"))

    await cache.stat(key)
    await get(cache, key, 0, 5)
    await cache.settled()

    (copy,) = copies(folder)
    assert copy.read_bytes() == b"small"
    assert copy.name == f"{Digest.of(b'small', algorithm).hex}.5"
    assert cache.local_path(key) == str(copy)


@pytest.mark.parametrize(
    "key",
    [
        KEY.removesuffix("/data"),
        KEY.replace("/data", "/link"),
        "docker/registry/v2/repositories/a/_layers/sha256/ab/link",
        "docker/registry/v2/blobs/sha256/ab/abcd/data",
        KEY.replace(KEY[32:34], "zz", 1),
        KEY.replace("sha256", "md5"),
        KEY.replace("sha256", "sha512"),
    ],
)
async def test_what_may_change_is_passed_on(
    cache: CachingDriver, remote: Remote, folder: Path, key: str
) -> None:
    await remote.write(key, once(b"x"))

    for _ in range(2):
        assert await get(cache, key) == b"x"
    assert remote.reads() == 2
    assert copies(folder) == []
    assert blob_of(key) is None
    assert await cache.link(key, "GET", 1) is not None


async def test_a_part_is_no_reason_to_fetch_the_whole(cache: CachingDriver) -> None:
    assert await get(cache, KEY, 0, 10) == CONTENT[:10]
    assert await get(cache, KEY, 10) == CONTENT[10:]

    assert cache.counts.fills == 0


async def test_readers_at_once_share_one_read_of_the_store(
    cache: CachingDriver, remote: Remote
) -> None:
    remote.calls.clear()
    found = await asyncio.gather(*[get(cache) for _ in range(20)])

    assert set(found) == {CONTENT}
    assert remote.reads() == 1


async def test_slow_reader_does_not_hold_up_the_copy(cache: CachingDriver, remote: Remote) -> None:
    async with aclosing(cache.read(KEY)) as chunks:
        first = await anext(chunks)
        await cache.settled()
        remote.calls.clear()

        assert await get(cache) == CONTENT
        assert first + b"".join([chunk async for chunk in chunks]) == CONTENT
    assert remote.reads() == 0


async def test_reader_that_leaves_does_not_end_the_copy(
    cache: CachingDriver, remote: Remote
) -> None:
    async with aclosing(cache.read(KEY)) as chunks:
        await anext(chunks)
    await cache.settled()
    remote.calls.clear()

    assert await get(cache) == CONTENT
    assert remote.reads() == 0


async def test_no_descriptor_is_left_open(cache: CachingDriver) -> None:
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    before = descriptors()
    for _ in range(5):
        async with aclosing(cache.read(KEY)) as chunks:
            await anext(chunks)
        reading = asyncio.create_task(get(cache))
        await asyncio.sleep(0)
        reading.cancel()
        await asyncio.wait([reading])
        await cache.settled()
        await cache.delete([KEY])
        await cache.driver.write(KEY, once(CONTENT))

    assert descriptors() == before


async def test_wrong_bytes_are_given_as_without_a_cache_and_never_kept(
    cache: CachingDriver, remote: Remote, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = b"x" + CONTENT[1:]
    await remote.write(KEY, once(wrong))

    assert await get(cache) == wrong
    await cache.settled()

    assert copies(folder) == []
    assert unfinished(folder) == []
    assert cache.counts.failed == 1
    assert "is not kept: the store gives 3145735 bytes with digest" in caplog.text


async def test_store_that_breaks_off_is_asked_for_the_rest(
    cache: CachingDriver, remote: Remote, folder: Path
) -> None:
    remote.faults = [Fault("read", UnavailableError(KEY, "reset"), when="midway")]

    assert await get(cache) == CONTENT
    await cache.settled()

    assert copies(folder) == []
    assert remote.reads() == 2


async def test_error_of_the_store_is_the_readers(cache: CachingDriver, remote: Remote) -> None:
    for error in (UnavailableError(KEY, "down"), NotFoundError(KEY), ValueError("odd")):
        remote.faults = [Fault("read", error, times=None), Fault("stat", error, times=None)]
        with pytest.raises(type(error)):
            await get(cache)


async def test_existence_is_asked_of_the_store(cache: CachingDriver, remote: Remote) -> None:
    await get(cache)
    await cache.settled()
    await remote.delete([KEY])

    with pytest.raises(NotFoundError):
        await cache.stat(KEY)


async def test_deletion_removes_the_copy(cache: CachingDriver, folder: Path) -> None:
    await get(cache)
    await cache.settled()

    await cache.delete([KEY, "other"])

    assert copies(folder) == []
    assert cache.local_path(KEY) is None
    with pytest.raises(NotFoundError):
        await get(cache)


async def test_deletion_while_a_copy_is_on_its_way(
    cache: CachingDriver, remote: Remote, folder: Path
) -> None:
    hang = Hang()
    remote.faults = [Fault("read", hang=hang, when="after")]
    reading = asyncio.create_task(get(cache))
    await hang.reached.wait()

    await cache.delete([KEY])
    hang.released.set()

    assert await reading == CONTENT
    await cache.settled()
    assert copies(folder) == []


async def test_clients_are_not_sent_past_the_cache_unless_that_is_wanted(
    remote: Remote, folder: Path
) -> None:
    async with opened(remote, folder) as cache:
        assert await cache.link(KEY, "GET", 1) is None
    async with opened(remote, folder, redirect=True) as cache:
        assert await cache.link(KEY, "GET", 1) == f"https://bucket.test/{KEY}"


async def test_larger_than_maxobject_is_not_kept_and_clients_are_sent_past_it(
    remote: Remote, folder: Path
) -> None:
    async with opened(remote, folder, maxobject="3MiB") as cache:
        assert await get(cache) == CONTENT
        await cache.settled()
        await cache.stat(KEY)

        assert await cache.link(KEY, "GET", 1) is not None
        assert await get(cache) == CONTENT
        await cache.settled()
    assert copies(folder) == []


async def test_copies_survive_a_restart(remote: Remote, folder: Path) -> None:
    async with opened(remote, folder) as cache:
        await get(cache)
        await cache.settled()
    remote.calls.clear()

    async with opened(remote, folder) as cache:
        assert await get(cache) == CONTENT
    assert remote.reads() == 0


async def test_closing_ends_what_is_on_its_way_and_leaves_nothing(
    remote: Remote, folder: Path
) -> None:
    hang = Hang()
    async with AsyncExitStack() as stack:
        cache = await stack.enter_async_context(opened(remote, folder))
        remote.faults = [Fault("read", hang=hang, when="midway")]
        reading = asyncio.create_task(get(cache))
        await hang.reached.wait()
    assert await reading == CONTENT

    assert copies(folder) == []
    assert unfinished(folder) == []
    assert Folder(str(folder), 1).used() == 0


class TestCachedInMemory(DriverSuite):
    @pytest.fixture
    def open_driver(self, tmp_path: Path) -> Opening:
        store = Store()
        return lambda: opened(InMemoryDriver(store), tmp_path)


@asynccontextmanager
async def open_cached_filesystem(root: str, folder: str) -> AsyncGenerator[Driver, None]:
    async with (
        open_filesystem(FilesystemOptions(rootdirectory=root)) as driver,
        open_cache(CacheOptions(rootdirectory=folder), driver) as cache,
    ):
        yield cache


@pytest.mark.wide
@pytest.mark.real
class TestCachedFilesystem(DriverSuite):
    @pytest.fixture
    def open_driver(self, tmp_path: Path) -> Opening:
        return partial(open_cached_filesystem, str(tmp_path / "root"), str(tmp_path / "cache"))
