"""What an observer of the guard is told of each call, and when."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from entrepot.core.costs import DriverCall, told_to_all
from entrepot.core.errors import NotFoundError
from entrepot.core.guard import GuardedDriver
from entrepot.core.streams import drain, once
from entrepot.core.testing import Fault, FaultyDriver, Hang
from entrepot.drivers.inmemory import InMemoryDriver

pytestmark = pytest.mark.anyio

MIB = 1024 * 1024


@pytest.fixture
def told() -> list[DriverCall]:
    return []


@pytest.fixture
def store() -> FaultyDriver:
    return FaultyDriver(InMemoryDriver())


@pytest.fixture
def guard(store: FaultyDriver, told: list[DriverCall]) -> GuardedDriver:
    return GuardedDriver(store, "shelf", told.append)


async def test_every_operation_is_told_of_when_it_has_ended(
    guard: GuardedDriver, told: list[DriverCall]
) -> None:
    await guard.write("a", once(bytes(3 * MIB)))
    await drain(guard.read("a"))
    await guard.copy("a", "b")
    await guard.move("b", "c")
    assert len([entry async for entry in guard.scan("")]) == 2
    await guard.stat("a")
    await guard.delete(["a", "c"])
    await guard.link("a", "GET", 1)
    await guard.upload("u").append(once(b"some"), 0)
    await guard.upload("u").size()
    await guard.upload("u").commit("d", 4)
    await guard.upload("u").abort()

    calls = [(call.operation, call.key, call.bytes) for call in told]
    assert calls == [
        ("write", "a", 3 * MIB),
        ("read", "a", 3 * MIB),
        ("copy", "a", 0),
        ("move", "b", 0),
        ("scan", "", 0),
        ("stat", "a", 0),
        ("delete", "a", 0),
        ("link", "a", 0),
        ("append", "u", 4),
        ("size", "u", 0),
        ("commit", "u", 0),
        ("abort", "u", 0),
    ]
    assert all(call.driver == "shelf" and call.error is None for call in told)
    assert all(0 < call.seconds <= call.ended - call.began for call in told)


async def test_stream_that_is_left_early_is_told_of_once(
    guard: GuardedDriver, told: list[DriverCall]
) -> None:
    await guard.write("a", once(bytes(3 * MIB)))
    told.clear()

    async with aclosing(guard.read("a")) as chunks:
        await anext(chunks)
        assert told == []

    assert [call.bytes for call in told] == [MIB]


async def test_error_of_the_driver_is_told(guard: GuardedDriver, told: list[DriverCall]) -> None:
    for failing in (guard.stat("a"), drain(guard.read("a")), guard.copy("a", "b")):
        with pytest.raises(NotFoundError):
            await failing

    assert [call.operation for call in told] == ["stat", "read", "copy"]
    assert all(isinstance(call.error, NotFoundError) and not call.is_callers for call in told)


async def test_error_of_the_callers_stream_is_told(
    guard: GuardedDriver, told: list[DriverCall]
) -> None:
    error = OSError("socket")

    async def broken() -> AsyncGenerator[bytes, None]:
        yield b"x"
        raise error

    with pytest.raises(OSError, match="socket"):
        await guard.write("a", broken())

    assert [(call.bytes, call.error, call.is_callers) for call in told] == [(1, error, True)]


async def test_cancelled_call_is_told(
    guard: GuardedDriver, store: FaultyDriver, told: list[DriverCall]
) -> None:
    hang = Hang()
    store.faults = [Fault("stat", hang=hang)]
    task = asyncio.ensure_future(guard.stat("a"))
    await hang.reached.wait()

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert [type(call.error) for call in told] == [asyncio.CancelledError]


async def test_one_observer_of_several() -> None:
    first: list[DriverCall] = []
    second: list[DriverCall] = []
    alone = first.append

    both = told_to_all(alone, second.append)
    with pytest.raises(NotFoundError):
        await GuardedDriver(InMemoryDriver(), "shelf", both).stat("a")

    assert first == second
    assert len(first) == 1
    assert told_to_all() is None
    assert told_to_all(alone) is alone
