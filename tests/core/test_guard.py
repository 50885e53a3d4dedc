"""The guard: what it refuses, what it makes of errors, what it counts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import fields

import pytest

from entrepot.core.costs import Operation
from entrepot.core.driver import Entry, Prefix
from entrepot.core.errors import (
    DeleteError,
    DigestInvalidError,
    KeyInvalidError,
    NotFoundError,
    StorageError,
    UnavailableError,
)
from entrepot.core.guard import GuardedDriver
from entrepot.core.streams import drain, once
from entrepot.core.testing import Fault, FaultyDriver, Hang
from entrepot.drivers.inmemory import InMemoryDriver

pytestmark = pytest.mark.anyio

BAD_KEYS = ["", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "a/.", "./a", "a/..", "a b", "ä",
            "a\n", "a\0", "a~b", "x" * 256, "a/" + "x" * 256, "a/" * 512 + "a"]  # fmt: skip
GOOD_KEYS = ["a", "a/b", ".a", "a.", "...", "a/..b", "a/.b/c", "A-._z/0", "x" * 255,
             "a/" * 511 + "ab"]  # fmt: skip


@pytest.fixture
def store() -> FaultyDriver:
    """A driver that works until it is told otherwise."""
    return FaultyDriver(InMemoryDriver())


@pytest.fixture
def guard(store: FaultyDriver) -> GuardedDriver:
    return GuardedDriver(store, "shelf")


@pytest.mark.parametrize("key", GOOD_KEYS)
async def test_key_taken(guard: GuardedDriver, key: str) -> None:
    await guard.write(key, once(b"x"))

    assert (await guard.stat(key)).size == 1


@pytest.mark.parametrize("key", BAD_KEYS)
async def test_key_refused_before_the_driver_is_asked(
    guard: GuardedDriver, store: FaultyDriver, key: str
) -> None:
    for refused in (guard.stat(key), guard.write(key, once(b"")), guard.delete(["a", key]),
                    guard.copy("a", key), guard.copy(key, "a"), guard.move("a", key),
                    guard.move(key, "a"), guard.link(key, "GET", 1), drain(guard.read(key)),
                    guard.upload("u").commit(key, 0)):  # fmt: skip
        with pytest.raises(KeyInvalidError):
            await refused
    with pytest.raises(KeyInvalidError):
        guard.local_path(key)
    with pytest.raises(KeyInvalidError):
        guard.upload(key)
    assert store.calls == []


@pytest.mark.parametrize(
    "prefix",
    ["/", "/a", "a//", "a//b", "a b", "../", "a/../", "./a", "ä", "a\n", "x" * 256,
     "x" * 256 + "/", "a/" * 513],
)  # fmt: skip
async def test_prefix_refused_before_the_driver_is_asked(
    guard: GuardedDriver, store: FaultyDriver, prefix: str
) -> None:
    with pytest.raises(KeyInvalidError):
        await anext(guard.scan(prefix))
    assert store.calls == []


@pytest.mark.parametrize("prefix", ["", "a", "a/", "a/b", "a/b/", ".", "..", "a/.", "a/.."])
async def test_prefix_taken(guard: GuardedDriver, prefix: str) -> None:
    keys = ["a/b/c", "..d", "a/..b"]
    for key in keys:
        await guard.write(key, once(b"x"))

    found = [entry.key async for entry in guard.scan(prefix)]

    assert found == sorted(key for key in keys if key.startswith(prefix))


async def test_delimiter_refused(guard: GuardedDriver, store: FaultyDriver) -> None:
    with pytest.raises(KeyInvalidError, match="the only delimiter is '/', not '-'"):
        await anext(guard.scan("", delimiter="-"))
    assert store.calls == []


async def test_scan_goes_on_after_what_is_no_key(guard: GuardedDriver) -> None:
    for key in ("t/1-", "t/1.0", "t/1.1", "t/2"):
        await guard.write(key, once(b"x"))

    assert [entry.key async for entry in guard.scan("t/", after="t/1.0+x")] == ["t/1.1", "t/2"]
    assert [entry.key async for entry in guard.scan("t/", after="t/1~")] == ["t/2"]


async def test_storage_error_gets_the_drivers_name(guard: GuardedDriver) -> None:
    with pytest.raises(NotFoundError) as caught:
        await guard.stat("a")

    assert str(caught.value) == "shelf: a: no such object"


async def test_storage_error_keeps_the_name_of_the_driver_within(guard: GuardedDriver) -> None:
    with pytest.raises(NotFoundError) as caught:
        await GuardedDriver(guard, "outer").stat("a")

    assert caught.value.driver == "shelf"


async def test_each_failure_of_a_delete_gets_the_drivers_name(
    guard: GuardedDriver, store: FaultyDriver
) -> None:
    failures: dict[str, StorageError] = {key: UnavailableError(key, "busy") for key in ("a", "b")}
    store.faults.append(Fault("delete", DeleteError(failures)))

    with pytest.raises(DeleteError) as caught:
        await guard.delete(["a", "b", "c"])

    assert caught.value.driver == "shelf"
    assert [error.driver for error in caught.value.failures.values()] == ["shelf"] * 2


async def test_foreign_error_of_a_driver_becomes_a_storage_error(
    guard: GuardedDriver, store: FaultyDriver
) -> None:
    for error in (ValueError("secret"), OSError(5, "secret"), DigestInvalidError("secret")):
        store.faults = [Fault("stat", error)]

        with pytest.raises(UnavailableError) as caught:
            await guard.stat("a")

        assert str(caught.value) == f"shelf: a: the driver failed with {type(error).__name__}"
        assert caught.value.__cause__ is error


async def test_foreign_error_in_the_middle_of_a_stream_becomes_a_storage_error(
    guard: GuardedDriver, store: FaultyDriver
) -> None:
    await guard.write("a", once(b"x"))
    store.faults = [Fault("read", KeyError("x"), when="midway"),
                    Fault("scan", KeyError("x"), when="midway")]  # fmt: skip

    async with aclosing(guard.read("a")) as chunks:
        assert await anext(chunks) == b"x"
        with pytest.raises(UnavailableError, match="the driver failed with KeyError"):
            await anext(chunks)
    async with aclosing(guard.scan("")) as entries:
        assert (await anext(entries)).key == "a"
        with pytest.raises(UnavailableError, match="the driver failed with KeyError"):
            await anext(entries)


@pytest.mark.parametrize(
    "error", [DigestInvalidError("wrong"), OSError("socket"), KeyError("k"), NotFoundError("b")]
)
async def test_error_of_the_callers_stream_comes_out_unchanged(
    guard: GuardedDriver, error: Exception
) -> None:
    for operation in (guard.write("a", broken(error)), guard.upload("u").append(broken(error), 0)):
        with pytest.raises(type(error)) as caught:
            await operation

        assert caught.value is error
        assert (error.__cause__, error.__context__) == (None, None)
        assert getattr(error, "driver", "") == ""


async def test_error_of_the_callers_stream_comes_out_of_a_driver_that_makes_another_of_it() -> None:
    class Translating(InMemoryDriver):
        async def write(
            self, key: str, chunks: AsyncIterator[bytes], *, create: bool = False
        ) -> Entry:
            try:
                return await super().write(key, chunks, create=create)
            except OSError as error:
                raise UnavailableError(key, "translated") from error

    error = OSError("socket")

    with pytest.raises(OSError, match="socket") as caught:
        await GuardedDriver(Translating()).write("a", broken(error))
    assert caught.value is error


async def test_error_of_the_callers_stream_comes_out_of_a_driver_that_swallows_it() -> None:
    class Swallowing(InMemoryDriver):
        async def write(
            self, key: str, chunks: AsyncIterator[bytes], *, create: bool = False
        ) -> Entry:
            try:
                await drain(chunks)
            except OSError:
                return Entry(key, 0, 0.0)
            raise AssertionError

    error = OSError("socket")

    with pytest.raises(OSError, match="socket") as caught:
        await GuardedDriver(Swallowing()).write("a", broken(error))
    assert caught.value is error


async def test_cancellation_passes_through_and_is_no_failure(
    guard: GuardedDriver, store: FaultyDriver
) -> None:
    hang = Hang()
    store.faults = [Fault("stat", hang=hang)]
    task = asyncio.ensure_future(guard.stat("a"))
    await hang.reached.wait()

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert (guard.statistics.stat.calls, guard.statistics.stat.failures) == (1, 0)


@pytest.mark.parametrize(("start", "stop"), [(0, 0), (5, 5), (5, 2), (-3, 0)])
async def test_empty_range_gives_nothing_and_asks_nobody(
    guard: GuardedDriver, store: FaultyDriver, start: int, stop: int
) -> None:
    assert await drain(guard.read("a", start, stop)) == 0
    assert store.calls == []


async def test_range_begins_at_the_beginning_at_the_earliest(guard: GuardedDriver) -> None:
    await guard.write("a", once(b"0123456789"))

    assert [chunk async for chunk in guard.read("a", -3, 4)] == [b"0123"]


async def test_streams_closed_early_close_the_drivers() -> None:
    driver = Closing()
    guard = GuardedDriver(driver)

    async with aclosing(guard.read("a")) as chunks:
        await anext(chunks)
    async with aclosing(guard.scan("")) as entries:
        await anext(entries)

    assert driver.closed == ["read", "scan"]


async def test_error_of_a_drivers_closing_becomes_a_storage_error() -> None:
    chunks = GuardedDriver(Closing(ValueError("x")), "shelf").read("a")
    await anext(chunks)

    with pytest.raises(UnavailableError, match="the driver failed with ValueError"):
        await chunks.aclose()


async def test_what_a_driver_says_of_itself_passes() -> None:
    class Local(InMemoryDriver):
        exclusive_create = False

        def local_path(self, key: str) -> str | None:
            return f"/{key}"

    guard = GuardedDriver(Local())

    assert guard.exclusive_create is False
    assert guard.local_path("a") == "/a"
    assert GuardedDriver(InMemoryDriver()).exclusive_create is True
    assert GuardedDriver(InMemoryDriver()).local_path("a") is None


async def test_name_is_the_drivers_class_unless_it_is_given() -> None:
    assert GuardedDriver(InMemoryDriver()).name == "InMemoryDriver"


async def test_operations_are_counted_once_each(guard: GuardedDriver) -> None:
    three = 3 * 1024 * 1024
    await guard.write("a", once(bytes(three)))
    await drain(guard.read("a"))
    await guard.copy("a", "b")
    await guard.move("b", "c")
    assert len([entry async for entry in guard.scan("")]) == 2
    await guard.delete(["a", "c"])
    await guard.delete([])
    await guard.link("a", "GET", 1)
    await guard.upload("u").append(once(b"some"), 0)
    await guard.upload("u").size()
    await guard.upload("u").commit("d", 4)
    await guard.upload("u").abort()
    with pytest.raises(NotFoundError):
        await guard.stat("a")

    counted: dict[str, Operation] = {
        each.name: getattr(guard.statistics, each.name) for each in fields(guard.statistics)
    }
    assert {name: operation.calls for name, operation in counted.items()} == dict.fromkeys(
        counted, 1
    )
    assert {name for name, operation in counted.items() if operation.failures} == {"stat"}
    assert all(operation.seconds > 0 for operation in counted.values())
    assert {name: operation.bytes for name, operation in counted.items() if operation.bytes} == {
        "read": three,
        "write": three,
        "append": 4,
    }


async def test_failures_of_the_callers_stream_are_counted(guard: GuardedDriver) -> None:
    for number in range(1, 4):
        with pytest.raises(OSError, match="socket"):
            await guard.write("a", broken(OSError("socket")))

        assert guard.statistics.write.failures == number


async def test_seconds_are_the_drivers_and_not_its_callers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0
    monkeypatch.setattr("entrepot.core.guard.perf_counter", lambda: now)

    def wait(seconds: float) -> None:
        nonlocal now
        now += seconds

    class Slow(InMemoryDriver):
        async def write(
            self, key: str, chunks: AsyncIterator[bytes], *, create: bool = False
        ) -> Entry:
            wait(1.0)
            return await super().write(key, chunks, create=create)

        async def read(
            self, key: str, start: int = 0, stop: int | None = None
        ) -> AsyncGenerator[bytes, None]:
            wait(2.0)
            yield b"x"
            wait(4.0)

    async def slow() -> AsyncGenerator[bytes, None]:
        wait(100.0)
        yield b"x"
        wait(100.0)

    guard = GuardedDriver(Slow())
    await guard.write("a", slow())
    async for _ in guard.read("a"):
        wait(100.0)

    assert guard.statistics.write.seconds == 1.0
    assert guard.statistics.read.seconds == 6.0


async def broken(error: Exception) -> AsyncGenerator[bytes, None]:
    yield b"x"
    raise error


class Closing(InMemoryDriver):
    """Notes that its streams were closed, and fails to if told so."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__()
        self.closed: list[str] = []
        self._error = error

    async def read(
        self, key: str, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        try:
            while True:
                yield b"x"
        finally:
            self.closed.append("read")
            if self._error is not None:
                raise self._error

    async def scan(
        self, prefix: str, *, after: str = "", delimiter: str = ""
    ) -> AsyncGenerator[Entry | Prefix, None]:
        try:
            while True:
                yield Prefix("a/")
        finally:
            self.closed.append("scan")
