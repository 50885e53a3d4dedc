"""Purging beside serving, on one replica at a time; and `entrepot uploads`."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.core.stores import NAME, open_memory
from typer.testing import CliRunner, Result

from entrepot.core.configuration import Duration
from entrepot.core.errors import UnavailableError
from entrepot.core.registry import Registry, Rules, open_registry
from entrepot.core.testing import Fault, FaultyDriver
from entrepot.server.cli import app
from entrepot.server.maintained import Maintained
from entrepot.server.purging import Schedule, keep_purging, purge_in_turn

DAY = 86_400.0
SCHEDULE = Schedule(Duration.parse("1h"), Duration.parse("24h"), is_dry_run=False, owner="me")
FUTURE = 4_000_000_000.0  # seconds since the epoch; everything is old by then


@pytest.fixture
async def driver() -> AsyncGenerator[FaultyDriver, None]:
    async with open_memory() as driver:
        yield FaultyDriver(driver)


@pytest.fixture
async def registry(driver: FaultyDriver) -> AsyncGenerator[Registry, None]:
    async with open_registry(driver, Rules()) as registry:
        await registry.repository(NAME).uploads.start()
        yield registry


class EnoughError(Exception):
    """Ends a task that would go on for ever."""


class Clock:
    """Passes the time that a task waits, and ends the task after some waits."""

    def __init__(self, pauses: int) -> None:
        self.waited: list[float] = []
        self._pauses = pauses

    async def pause(self, seconds: float) -> None:
        if len(self.waited) == self._pauses:
            raise EnoughError
        self.waited.append(seconds)

    def now(self) -> float:
        return FUTURE + sum(self.waited)


async def run(
    registry: Registry,
    pauses: int,
    maintained: Maintained | None = None,
    schedule: Schedule = SCHEDULE,
) -> list[float]:
    clock = Clock(pauses)
    with pytest.raises(EnoughError):
        await keep_purging(registry, schedule, maintained or Maintained(), clock.pause, clock.now)
    return clock.waited


@pytest.mark.anyio
async def test_first_run_is_within_an_hour_and_then_once_in_each_interval(
    registry: Registry,
) -> None:
    waited = await run(registry, 3)

    assert 0 <= waited[0] <= 3600
    assert waited[1:] == [DAY, DAY]


@pytest.mark.anyio
async def test_what_was_purged_is_counted_and_what_would_have_been_is_not(
    registry: Registry,
) -> None:
    maintained = Maintained()

    await run(registry, 2, maintained, replace(SCHEDULE, is_dry_run=True))
    assert maintained.uploads == {"removed": 0, "failed": 0}
    await run(registry, 2, maintained, replace(SCHEDULE, interval=Duration.parse("1m")))

    assert maintained.uploads == {"removed": 1, "failed": 0}


@pytest.mark.anyio
async def test_one_replica_purges_in_an_interval(registry: Registry) -> None:
    done = [await purge_in_turn(registry, SCHEDULE, FUTURE + at) for at in (0, 60, DAY)]

    assert done[0] is not None
    assert done[0].removed == 1
    assert done[1] is None
    assert done[2] is not None


@pytest.mark.anyio
async def test_store_that_fails_is_told_and_tried_again(
    registry: Registry, driver: FaultyDriver, caplog: pytest.LogCaptureFixture
) -> None:
    driver.faults = [Fault("write", UnavailableError("", "no answer"), times=1)]
    with caplog.at_level(logging.INFO, "entrepot.purging"):
        await run(registry, 2)

    assert "uploads were not purged" in caplog.text
    assert "Num deleted=1" in caplog.text


def entrepot(root: Path, *arguments: str) -> Result:
    variables = {"REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": str(root)}
    return CliRunner(env=variables).invoke(app, ["uploads", *arguments])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "docker/registry/v2/repositories/a/b/_uploads"
    for number in range(3):
        upload = folder / f"{number:08x}-d142-41e1-b3e4-080027620cdd"
        upload.mkdir(parents=True)
        (upload / "startedat").write_text("2020-01-01T00:00:00Z")
        (upload / "data").write_bytes(b"12345")
    return tmp_path


def test_list_shows_what_was_begun(root: Path) -> None:
    result = entrepot(root, "list", "--json")

    listed = [json.loads(line) for line in result.output.splitlines()]
    assert [one["repository"] for one in listed] == ["a/b"] * 3
    assert {one["bytes"] for one in listed} == {25}


def test_purge_keeps_what_was_touched_lately(root: Path) -> None:
    result = entrepot(root, "purge", "--age", "1h")

    assert result.exit_code == 0
    assert "0 of 3 uploads removed" in result.output


def test_purge_removes_what_is_old(root: Path) -> None:
    dry = entrepot(root, "purge", "--age", "1ns", "--dry-run")
    assert "3 of 3 uploads would be removed" in dry.output
    assert len(list(root.rglob("data"))) == 3

    wet = entrepot(root, "purge", "--age", "1ns")

    assert "3 of 3 uploads removed" in wet.output
    assert list(root.rglob("data")) == []


def test_age_that_is_none_is_refused(root: Path) -> None:
    result = entrepot(root, "purge", "--age", "a week")

    assert result.exit_code == 1
    assert "--age" in result.output
