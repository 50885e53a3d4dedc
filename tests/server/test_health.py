"""Health checks: when the registry is unhealthy, and when it is well again."""

from __future__ import annotations

import asyncio
import logging

import pytest

from entrepot.server.health import Health
from entrepot.server.health.probes import Probe, UnhealthyError
from entrepot.server.health.watching import Check, Watch, watching

pytestmark = pytest.mark.anyio


class Patient:
    """A probe that gives what it is told to, or never ends."""

    def __init__(self, *results: Exception | None) -> None:
        self.results = list(results)
        self.begun = 0

    async def __call__(self) -> None:
        self.begun += 1
        result = self.results.pop(0)
        if result is not None:
            raise result


def check_of(probe: Probe, threshold: int = 0, timeout: float = 60) -> Check:
    return Check("shelf", probe, 10.0, threshold, timeout)


BAD = UnhealthyError("broken", "secret cause")


@pytest.mark.parametrize(("threshold", "red"), [(0, 1), (1, 1), (2, 2), (3, 3)])
async def test_failures_in_a_row_until_unhealthy(threshold: int, red: int) -> None:
    health = Health()
    watch = Watch(check_of(Patient(*[BAD] * 4), threshold), health)

    states: list[bool] = []
    for _ in range(4):
        await watch.look()
        states.append(health.is_failing)

    assert states == [number >= red for number in range(1, 5)]
    assert health.failing == {"shelf": "broken"}


async def test_one_success_is_enough_and_counting_begins_again() -> None:
    health = Health()
    watch = Watch(check_of(Patient(BAD, BAD, None, BAD, None), threshold=2), health)

    states: list[bool] = []
    for _ in range(5):
        await watch.look()
        states.append(health.is_failing)

    assert states == [False, True, False, False, False]


async def test_changes_are_logged_once_each(caplog: pytest.LogCaptureFixture) -> None:
    watch = Watch(check_of(Patient(BAD, BAD, BAD, None, None), threshold=2), Health())

    with caplog.at_level(logging.INFO):
        for _ in range(5):
            await watch.look()

    assert [record.getMessage() for record in caplog.records] == [
        "health check shelf fails: broken (secret cause)",
        "health check shelf is well again",
    ]


async def test_what_a_probe_did_not_foresee_is_a_failure_without_its_text() -> None:
    health = Health()
    watch = Watch(check_of(Patient(RuntimeError("password=x"))), health)

    await watch.look()

    assert health.failing == {"shelf": "the check itself failed"}


async def test_look_that_does_not_end_has_failed_and_is_not_begun_twice() -> None:
    health = Health()
    begun: list[asyncio.Event] = []

    async def hang() -> None:
        """Like a call in a thread, it declines to be cancelled."""
        end = asyncio.Event()
        begun.append(end)
        while not end.is_set():
            try:
                await end.wait()
            except asyncio.CancelledError:
                continue

    watch = Watch(check_of(hang, timeout=0.01), health)
    await watch.look()
    await watch.look()

    assert len(begun) == 1
    assert health.failing == {"shelf": "still no answer after 0.01 seconds"}
    begun[0].set()
    await watch.end()


async def test_look_begins_anew_after_one_that_was_ended() -> None:
    health = Health()
    forever = asyncio.Event()
    looks = 0

    async def hang_once() -> None:
        nonlocal looks
        looks += 1
        if looks == 1:
            await forever.wait()

    watch = Watch(check_of(hang_once, timeout=0.01), health)
    await watch.look()
    assert health.is_failing
    await watch.look()

    assert looks == 2
    assert not health.is_failing


async def test_first_look_is_at_once_and_intervals_are_spread() -> None:
    health = Health()
    slept: list[float] = []
    enough = asyncio.Event()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 50:
            enough.set()
            await asyncio.Event().wait()
        await asyncio.sleep(0)

    probe = Patient(*[None] * 50)
    async with watching([check_of(probe)], health, sleep):
        await enough.wait()
        assert probe.begun == 50

    assert all(9.0 <= seconds <= 11.0 for seconds in slept)
    assert len(set(slept)) > 1


async def test_ready_once_every_check_had_a_result() -> None:
    health = Health()
    first = Watch(check_of(Patient(BAD, None), threshold=2), health)
    assert health.hindrance == "starting"
    health.opened()

    await first.look()
    assert health.hindrance == "starting"
    await first.look()
    assert health.hindrance == ""

    health.report("other", "broken")
    assert health.hindrance == "unhealthy"
    health.drain()
    assert health.hindrance == "draining"


async def test_changes_are_told_and_nothing_else_is() -> None:
    health = Health()
    told: list[tuple[str, dict[str, str]]] = []
    health.changed = lambda it: told.append((it.hindrance, dict(it.failing)))
    health.expect("shelf")

    health.opened()
    health.report("shelf", None)
    health.report("shelf", None)
    health.report("shelf", "broken")
    health.report("shelf", "broken")
    health.report("shelf", "worse")
    health.report("shelf", None)
    health.drain()

    assert told == [
        ("starting", {}),
        ("", {}),
        ("unhealthy", {"shelf": "broken"}),
        ("unhealthy", {"shelf": "worse"}),
        ("", {}),
        ("draining", {}),
    ]


async def test_looks_end_with_the_registry() -> None:
    ended = asyncio.Event()
    begun = asyncio.Event()

    async def hang() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with watching([check_of(hang)], Health()):
        await begun.wait()

    assert ended.is_set()
