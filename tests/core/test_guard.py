"""The guard: what it refuses, what it makes of errors, what it counts."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator

import pytest

from entrepot.core.driver import Driver, Entry, Prefix
from entrepot.core.errors import (
    DigestInvalidError,
    KeyInvalidError,
    NotFoundError,
    UnavailableError,
)
from entrepot.core.guard import GuardedDriver
from entrepot.core.streams import drain, once
from entrepot.drivers.inmemory import InMemoryDriver

pytestmark = pytest.mark.anyio

BAD_KEYS = ["", "/a", "a/", "a//b", ".", "..", "a/../b", "a/.", "./a", "a b", "ä", "a\n", "a\0",
            "a~b", "x" * 256, "a/" * 512 + "a"]  # fmt: skip
GOOD_KEYS = ["a", "a/b", ".a", "a.", "...", "a/..b", "A-._z/0", "x" * 255]


@pytest.fixture
def guard() -> GuardedDriver:
    return GuardedDriver(InMemoryDriver(), "shelf")


@pytest.mark.parametrize("key", GOOD_KEYS)
async def test_key_taken(guard: GuardedDriver, key: str) -> None:
    await guard.write(key, once(b"x"))

    assert (await guard.stat(key)).size == 1


@pytest.mark.parametrize("key", BAD_KEYS)
async def test_key_refused_before_the_driver_is_asked(key: str) -> None:
    guard = GuardedDriver(_Untouchable(), "shelf")

    for refused in (guard.stat(key), guard.write(key, once(b"")), guard.delete(["a", key]),
                    guard.copy("a", key), guard.move(key, "a"), guard.link(key, "GET", 1),
                    drain(guard.read(key))):  # fmt: skip
        with pytest.raises(KeyInvalidError):
            await refused
    with pytest.raises(KeyInvalidError):
        guard.local_path(key)
    with pytest.raises(KeyInvalidError):
        guard.upload(key)


@pytest.mark.parametrize("prefix", ["/", "a//", "a b", "../", "a/../", "ä", "x" * 2000])
async def test_prefix_refused(prefix: str) -> None:
    with pytest.raises(KeyInvalidError):
        await anext(GuardedDriver(_Untouchable()).scan(prefix))


async def test_storage_error_gets_the_drivers_name(guard: GuardedDriver) -> None:
    with pytest.raises(NotFoundError) as caught:
        await guard.stat("a")

    assert str(caught.value) == "shelf: a: no such object"


async def test_foreign_error_of_a_driver_becomes_a_storage_error() -> None:
    guard = GuardedDriver(_Untouchable(), "shelf")

    with pytest.raises(UnavailableError, match="shelf: a: the driver failed with ValueError"):
        await guard.stat("a")


@pytest.mark.parametrize("error", [DigestInvalidError("wrong"), OSError("socket"), KeyError("k")])
async def test_error_of_the_callers_stream_comes_out_unchanged(
    guard: GuardedDriver, error: Exception
) -> None:
    async def broken() -> AsyncGenerator[bytes, None]:
        yield b"x"
        raise error

    with pytest.raises(type(error)) as caught:
        await guard.write("a", broken())
    assert caught.value is error
    with pytest.raises(type(error)) as caught:
        await guard.upload("u").append(broken(), 0)
    assert caught.value is error


@pytest.mark.parametrize(("start", "stop"), [(0, 0), (5, 5), (5, 2)])
async def test_empty_range_gives_nothing_and_asks_nobody(start: int, stop: int) -> None:
    guard = GuardedDriver(_Untouchable())

    assert await drain(guard.read("a", start, stop)) == 0


async def test_operations_are_counted(guard: GuardedDriver) -> None:
    await guard.write("a", once(b"12345"))
    await drain(guard.read("a"))
    with pytest.raises(NotFoundError):
        await guard.stat("b")

    assert (guard.statistics.write.calls, guard.statistics.write.bytes) == (1, 5)
    assert guard.statistics.read.bytes == 5
    assert (guard.statistics.stat.calls, guard.statistics.stat.failures) == (1, 1)
    assert guard.statistics.stat.seconds > 0


class _Untouchable(Driver):
    """Fails whenever anything reaches it."""

    async def stat(self, key: str) -> Entry:
        raise ValueError(key)

    async def read(
        self, key: str, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        raise ValueError(key)
        yield b""

    async def write(self, key: str, chunks: AsyncIterator[bytes], *, create: bool = False) -> Entry:
        raise ValueError(key)

    async def delete(self, keys: object) -> None:
        raise ValueError

    async def scan(
        self, prefix: str, *, after: str = "", delimiter: str = ""
    ) -> AsyncGenerator[Entry | Prefix, None]:
        raise ValueError(prefix)
        yield Prefix("")
