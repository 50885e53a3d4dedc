"""Each request of what changes the store fails once, in every manner: nothing is half done."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from itertools import pairwise
from typing import Any

from entrepot.core.driver import Driver, Entry
from entrepot.core.errors import OffsetError, UnavailableError
from entrepot.core.testing.bounds import Bounds
from entrepot.core.testing.material import (
    LARGE,
    MIB,
    content,
    ends,
    find,
    keys,
    pieces,
    put,
    within,
)
from entrepot.core.testing.network_calls import dishonest
from entrepot.core.testing.proxy import Action, Failure, FaultProxy

_HANGS = "an operation does not end although one of its requests failed"
_MANNERS: tuple[tuple[Action, dict[str, Any]], ...] = (
    ("answer", {"status": 503, "retry_after": 0}),  # refused
    ("drop answer", {}),  # done, and nobody knows
    ("cut request", {"after": 100}),
)
_MOST = 40  # requests of one operation that are failed
_CUTS = (0, 1000, 5 * MIB + 1000, 5 * MIB + 1100)  # appends of an upload


class Interrupting(Bounds):
    async def test_create_with_a_lost_answer_is_not_told_that_it_exists(
        self, driver: Driver, direct: Driver, proxy: FaultProxy
    ) -> None:
        """A try that repeats a create finds its own object, and must not take it for another's."""

        async def create(number: int) -> Entry:
            return await driver.write(f"a/{number}", pieces(content(1000)), create=True)

        async for number in _interrupted(proxy, create):
            async with within(self.patience, _HANGS):
                outcome = await _outcome(create(number))

            assert isinstance(outcome, Entry | UnavailableError), outcome
            found = await find(direct, f"a/{number}")
            assert ends(found) in {ends(content(1000)), ends(None)}
            assert found is not None or isinstance(outcome, UnavailableError)

    async def test_write_interrupted_at_each_request_is_whole_or_not_there(
        self, driver: Driver, direct: Driver, proxy: FaultProxy
    ) -> None:
        old, new = content(1000), content(LARGE)

        async def write(number: int) -> Entry:
            return await driver.write(f"a/{number}", pieces(new))

        async for number in _interrupted(proxy, write):
            if number % 2:
                await put(direct, f"a/{number}", old)
            async with within(self.patience, _HANGS):
                outcome = await _outcome(write(number))
            proxy.failures = []

            assert isinstance(outcome, Entry | UnavailableError), outcome
            before = old if number % 2 else None
            allowed = {ends(new), ends(new if isinstance(outcome, Entry) else before)}
            assert ends(await find(direct, f"a/{number}")) in allowed
            await write(number)
            assert ends(await find(direct, f"a/{number}")) == ends(new)
            assert await keys(direct, f"a/{number}") == [f"a/{number}"]
            await direct.delete([f"a/{number}"])

    async def test_upload_interrupted_at_each_request_goes_on(
        self, driver: Driver, direct: Driver, proxy: FaultProxy
    ) -> None:
        """In the end the content is right, and nothing but the object is there."""
        data = content(_CUTS[-1])

        async def upload(number: int) -> None:
            growing = driver.upload(f"u/{number}")
            for start, stop in pairwise(_CUTS):
                await growing.append(pieces(data[start:stop]), start)
            await growing.commit(f"b/{number}", len(data))

        async for number in _interrupted(proxy, upload):
            async with within(self.patience, _HANGS):
                outcome = await _outcome(upload(number))
            proxy.failures = []

            assert outcome is None or _honest(outcome, OffsetError), outcome

            await _finish(driver, direct, number, data)
            assert await direct.upload(f"u/{number}").size() == 0
            assert await keys(direct, "u/") == []
            await direct.delete([f"b/{number}"])

    async def test_move_interrupted_at_each_request_keeps_the_content(
        self, driver: Driver, direct: Driver, proxy: FaultProxy
    ) -> None:
        data = content(1000)

        async def move(number: int) -> object:
            await put(direct, f"a/{number}", data)
            return await driver.move(f"a/{number}", f"b/{number}")

        async for number in _interrupted(proxy, move):
            async with within(self.patience, _HANGS):
                outcome = await _outcome(move(number))

            assert isinstance(outcome, Entry) or _honest(outcome), outcome
            found = {ends(await find(direct, f"{head}/{number}")) for head in "ab"}
            assert ends(data) in found
            assert found <= {ends(data), ends(None)}

    async def test_delete_interrupted_at_each_request_can_be_repeated(
        self, driver: Driver, direct: Driver, proxy: FaultProxy
    ) -> None:
        """What an error names may be there still; what it does not name is gone."""
        named = ["a/1", "a/2", "a/3"]

        async def delete(_: int) -> None:
            for key in [*named, "b"]:
                await put(direct, key)
            await driver.delete(named)

        async for number in _interrupted(proxy, delete):
            async with within(self.patience, _HANGS):
                outcome = await _outcome(delete(number))
            proxy.failures = []

            still = getattr(outcome, "failures", named if outcome is not None else ())
            assert set(await keys(direct)) - {"b"} <= set(still)
            await driver.delete(named)
            assert await keys(direct) == ["b"]


async def _interrupted(
    proxy: FaultProxy, operation: Callable[[int], Awaitable[object]]
) -> AsyncGenerator[int, None]:
    """Numbers of runs in which one request is to fail, found out by a run in which none does."""
    before = len(proxy.requests)
    await operation(0)
    count = len(proxy.requests) - before
    number = 0
    for nth in range(1, count + 1, 1 + count // _MOST):
        for action, fields in _MANNERS:
            number += 1
            proxy.failures = [Failure(action, nth=nth, **fields)]
            yield number
            proxy.failures = []


def _honest(outcome: object, *more: type[Exception]) -> bool:
    """Unavailable, or so is each key that is still there."""
    return not dishonest({"": outcome}, UnavailableError, *more)


async def _outcome(operation: Awaitable[object]) -> object:
    """What it gives or raises."""
    try:
        return await operation
    except Exception as error:
        return error


async def _finish(driver: Driver, direct: Driver, number: int, data: bytes) -> None:
    """Go on as a client does: ask how much is there, send the rest, commit."""
    upload = driver.upload(f"u/{number}")
    for _ in range(3):
        held = await upload.size()
        if held or await find(direct, f"b/{number}") is None:
            with suppress(OffsetError):
                await upload.append(pieces(data[held:]), held)
                await upload.commit(f"b/{number}", len(data))
                break
        else:
            break
    assert ends(await find(direct, f"b/{number}")) == ends(data)
