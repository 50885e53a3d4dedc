"""Contents, streams and questions that the suite's tests are made of."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterable
from contextlib import aclosing, asynccontextmanager, suppress
from functools import lru_cache
from typing import Any

import pytest

from entrepot.core.driver import Driver, Prefix
from entrepot.core.errors import NotFoundError

MIB = 1024 * 1024
LARGE = 12 * MIB + 5  # past the part size of the backends that write in parts
SKEW = 600.0  # seconds that a backend's clock may differ; time zones differ by more
TURNS = (0, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233)  # of other tasks before a cancellation
TOKEN = "a/_uploads/0b0e5d11-3a5c-4b6e-9d6e-6f0a4ac4f7aa"  # noqa: S105 - of an upload, no secret


class Broken(Exception):  # noqa: N818 - what happened to the stream, not a kind of error
    """What a stream raises in the middle."""


@lru_cache(maxsize=4)
def content(size: int, seed: int = 0) -> bytes:
    """Bytes of which every stretch tells where it belongs; equal for equal arguments."""
    return random.Random(seed).randbytes(size)  # noqa: S311 - repeatable


async def pieces(data: bytes, size: int = 256 * 1024) -> AsyncGenerator[bytes, None]:
    """A stream of chunks of `size`, letting other tasks run before each."""
    for start in range(0, len(data), size):
        await asyncio.sleep(0)
        yield data[start : start + size]


async def chunks_of(chunks: Iterable[bytes]) -> AsyncGenerator[bytes, None]:
    """A stream of exactly these chunks."""
    for chunk in chunks:
        await asyncio.sleep(0)
        yield chunk


async def breaking(data: bytes, error: BaseException) -> AsyncGenerator[bytes, None]:
    """A stream that raises after `data`."""
    async for chunk in pieces(data):
        yield chunk
    raise error


class Stalled:
    """A stream that gives some chunks and stops until told to go on."""

    def __init__(self, data: bytes, rest: bytes = b"") -> None:
        self.reached = asyncio.Event()
        self.released = asyncio.Event()
        self._data = data
        self._rest = rest

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        async for chunk in pieces(self._data):
            yield chunk
        self.reached.set()
        await self.released.wait()
        async for chunk in pieces(self._rest):
            yield chunk

    def begin(self, coroutine: Coroutine[Any, Any, object]) -> asyncio.Task[object]:
        """Run what pulls this stream; its end, however it ends, counts as reached."""
        task = asyncio.ensure_future(coroutine)
        task.add_done_callback(lambda _: self.reached.set())
        return task


async def cancel_midway(
    operation: Callable[[AsyncIterator[bytes]], Coroutine[Any, Any, object]], data: bytes
) -> None:
    """Cancel `operation` when it has pulled `data` and waits for more; it must let that through."""
    stalled = Stalled(data)
    task = stalled.begin(operation(stalled.chunks()))
    await stalled.reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def cancel_after(turns: int, coroutine: Coroutine[Any, Any, object]) -> None:
    """Cancel a call once other tasks had so many turns; it may have come to its end by then."""
    task = asyncio.ensure_future(coroutine)
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


@asynccontextmanager
async def within(seconds: float, meaning: str) -> AsyncGenerator[None, None]:
    """Fails the test with `meaning` when its body hangs."""
    timeout = asyncio.timeout(seconds)
    try:
        async with timeout:
            yield
    except TimeoutError:
        if not timeout.expired():
            raise
        pytest.fail(f"not done after {seconds:g} seconds: {meaning}")


async def put(driver: Driver, key: str, data: bytes = b"x", *, create: bool = False) -> None:
    await driver.write(key, pieces(data), create=create)


async def put_all(driver: Driver, keys: Iterable[str], data: bytes = b"x") -> None:
    """Write the same small content under many keys, 32 at a time."""
    bound = asyncio.Semaphore(32)

    async def one(key: str) -> None:
        async with bound:
            await put(driver, key, data)

    async with asyncio.TaskGroup() as group:
        for key in keys:
            group.create_task(one(key))


async def get(driver: Driver, key: str, start: int = 0, stop: int | None = None) -> bytes:
    async with aclosing(driver.read(key, start, stop)) as chunks:
        return b"".join([chunk async for chunk in chunks])


async def find(driver: Driver, key: str) -> bytes | None:
    """The object's content, None if there is none."""
    try:
        return await get(driver, key)
    except NotFoundError:
        return None


async def keys(driver: Driver, prefix: str = "", *, after: str = "") -> list[str]:
    """The keys of a scan, in the order in which they come."""
    async with aclosing(driver.scan(prefix, after=after)) as entries:
        return [entry.key async for entry in entries]


async def folder(driver: Driver, prefix: str = "", *, after: str = "") -> list[str]:
    """What a scan with delimiter `/` gives; the key of a `Prefix` in angle brackets."""
    async with aclosing(driver.scan(prefix, after=after, delimiter="/")) as entries:
        return [f"<{e.key}>" if isinstance(e, Prefix) else e.key async for e in entries]


async def sifted(driver: Driver, prefix: str, wanted: Callable[[str], bool | str]) -> list[str]:
    """The keys of a scan from which some may be left out."""
    async with aclosing(driver.sift(prefix, wanted)) as entries:
        return [entry.key async for entry in entries]


def ends(data: bytes | None) -> str:
    """A large content in few words, so that a failed comparison is readable."""
    if data is None:
        return "no object"
    return f"{len(data)} bytes, hash {hash(data):x}, {data[:8].hex()}…{data[-8:].hex()}"
