"""Collections beside serving, on one replica at a time; `garbage-collect` and `undelete`."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.core.collecting.clocked import HOUR, Clock, ClockedDriver, push, replica
from tests.core.stores import NAME, image, keys, read_blob
from typer.testing import CliRunner, Result

from entrepot.core.collecting import runs
from entrepot.core.collecting.collection import Options
from entrepot.core.collecting.collector import Collector
from entrepot.core.collecting.marking import Untagged
from entrepot.core.collecting.working import working
from entrepot.core.configuration import Configuration, load
from entrepot.core.driver import Driver
from entrepot.core.errors import ConfigurationError
from entrepot.core.manifest import Manifest
from entrepot.core.names import Digest, Tag
from entrepot.core.plugins import load_plugins
from entrepot.core.registry import Registry, Rules, open_registry
from entrepot.core.testing import Fault, FaultyDriver
from entrepot.server.cli import app
from entrepot.server.cli.opening import store_of
from entrepot.server.collecting import Schedule, collect_in_turn, collecting, untagged_rules
from entrepot.server.maintained import Maintained

DAY = 24 * HOUR
KEPT, GONE = image([b"kept"]), image([b"gone"])
SCHEDULE = Schedule(Options(grace=HOUR, wait=HOUR), DAY, "me")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def driver(clock: Clock) -> ClockedDriver:
    return ClockedDriver(clock)


@pytest.fixture
async def registry(driver: ClockedDriver, clock: Clock) -> AsyncGenerator[Registry, None]:
    """With an image, and the leftovers of one that was deleted."""
    async with replica(driver, clock) as registry:
        await fill(registry)
        clock.now += DAY
        yield registry


async def fill(registry: Registry) -> None:
    repository = registry.repository(NAME)
    await push(repository, Tag("kept"), KEPT, b"kept")
    await push(repository, Tag("gone"), GONE, b"gone")
    await repository.manifests.delete(Digest.of(GONE))


@pytest.mark.anyio
async def test_one_replica_collects_in_an_interval(
    registry: Registry, driver: ClockedDriver, clock: Clock
) -> None:
    maintained = Maintained()
    first = await collect_in_turn(registry, SCHEDULE, clock.now, maintained)
    second = await collect_in_turn(registry, SCHEDULE, clock.now, maintained)

    assert first is not None
    assert first.deleted == {"revision": 0, "layer": 1, "blob": 2}
    assert second is None
    assert maintained.collections == {"ended": 1, "left": 0}
    assert maintained.garbage["blob"] == {"deleted": 2, "kept": 0, "failed": 0}
    assert maintained.freed == first.freed > 0
    assert [key for key in await keys(driver, runs.ROOT) if "turns" not in key] == []


@pytest.mark.anyio
async def test_what_a_replica_left_is_gone_on_with_soon_by_one(
    registry: Registry, driver: ClockedDriver, clock: Clock
) -> None:
    task = asyncio.ensure_future(collect_in_turn(registry, SCHEDULE, clock.now, Maintained()))
    while not await runs.current(driver):  # noqa: ASYNC110 - until it is published
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    async with working(driver, "another one"):
        await asyncio.sleep(0)
        assert await collect_in_turn(registry, SCHEDULE, clock.now + HOUR, Maintained()) is None
    resumed = await collect_in_turn(registry, SCHEDULE, clock.now + HOUR, Maintained())

    assert resumed is not None
    assert resumed.is_resumed
    assert resumed.deleted["blob"] == 2


@pytest.mark.anyio
async def test_nothing_is_begun_unless_it_is_enabled(registry: Registry, tmp_path: Path) -> None:
    before = asyncio.all_tasks()
    async with collecting(configuration(tmp_path, "enabled: false"), registry, Maintained()):
        assert asyncio.all_tasks() == before
    async with collecting(configuration(tmp_path, "enabled: true"), registry, Maintained()):
        assert len(asyncio.all_tasks() - before) == 1


def test_rules_for_manifests_without_a_tag_are_those_of_the_configuration(tmp_path: Path) -> None:
    section = "untagged: {keeplast: 3, olderthan: 2h, exceptrepositories: ['base/*']}"

    assert untagged_rules(configuration(tmp_path, section)) == Untagged(
        keep_last=3, older_than=2 * HOUR, never_repositories=("base/*",)
    )


def test_pattern_that_is_none_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="repositories"):
        configuration(tmp_path, "untagged: {repositories: ['a**b']}")


def written(folder: Path, section: str = "enabled: false") -> Path:
    path = folder / "config.yml"
    path.write_text(
        "version: 0.1\nstorage:\n"
        f"  filesystem: {{rootdirectory: {folder / 'store'}}}\n"
        f"  maintenance: {{garbagecollect: {{{section}}}}}\n"
    )
    return path


def configuration(folder: Path, section: str) -> Configuration:
    return load(str(written(folder, section)), {}, load_plugins().models).configuration


# -- the commands -------------------------------------------------------------------------------


def entrepot(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@asynccontextmanager
async def open_store(config: Path) -> AsyncGenerator[tuple[Driver, Registry], None]:
    async with (
        store_of(config).opening() as driver,
        open_registry(driver, Rules()) as registry,
    ):
        yield driver, registry


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Of a store that holds an image, and the leftovers of one that was deleted."""

    async def filled(path: Path) -> None:
        async with open_store(path) as (_, registry):
            await fill(registry)

    path = written(tmp_path)
    asyncio.run(filled(path))
    return path


def files(config: Path) -> set[str]:
    root = config.parent / "store"
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def condemn(config: Path) -> None:
    """A run that is published, and whose collector is dead."""

    class Died(BaseException):
        pass

    async def until_published() -> None:
        async with open_store(config) as (driver, _):
            dying = FaultyDriver(driver, Fault("stat", Died(), keys=f"{runs.CURRENT}*"))
            await Collector(dying, Options(0.0, HOUR)).collect()

    later = time.time() + 10
    for path in (config.parent / "store").rglob("*"):
        os.utime(path, (later - 3600, later - 3600))
    with pytest.raises(Died):
        asyncio.run(until_published())


def test_dry_run_tells_what_would_go_and_why_and_changes_nothing(config: Path) -> None:
    before = files(config)

    told = entrepot("garbage-collect", config, "--dry-run", "--offline")
    as_json = entrepot("garbage-collect", config, "-d", "--offline", "--json")

    gone = Digest.of(b"gone")
    assert f"layer link eligible for deletion: team/app@{gone} (no manifest" in told.output
    assert f"blob eligible for deletion: {gone} (no repository needs it)" in told.output
    assert "0 manifests, 1 layer links and 2 blobs would be deleted" in told.output
    listed = [json.loads(line) for line in as_json.stdout.splitlines()]
    assert [one["kind"] for one in listed] == ["layer", "blob", "blob"]
    assert {one["digest"] for one in listed} == {str(gone), str(Digest.of(GONE))}
    assert files(config) == before


def test_what_is_young_stays_unless_nothing_is_served(config: Path) -> None:
    before = files(config)

    online = entrepot("garbage-collect", config)
    assert (online.exit_code, online.stdout) == (0, "there is no garbage\n")
    assert files(config) == before

    offline = entrepot("garbage-collect", config, "--offline", "--quiet", "--json")
    result = json.loads(offline.stdout)["result"]
    assert result["deleted"] == {"revision": 0, "layer": 1, "blob": 2}
    assert result["freed"] == len(b"gone") + len(GONE)
    assert len(before - files(config)) == 3
    assert files(config) < before


def test_collection_that_was_stopped_is_gone_on_with(config: Path) -> None:
    condemn(config)

    done = entrepot("garbage-collect", config, "--offline", "-q")

    assert "going on with the collection" in done.stderr
    assert "2 blobs deleted" in done.stdout
    assert not [name for name in files(config) if "collection" in name]


def test_all_that_is_condemned_is_taken_back(config: Path) -> None:
    before = files(config)
    condemn(config)

    undone = entrepot("undelete", config, "--all")
    entrepot("garbage-collect", config, "--offline")

    assert undone.stdout == "3 objects are kept, 0 are deleted already\n"
    assert files(config) == before


def test_manifest_that_a_client_deleted_is_taken_back(config: Path) -> None:
    condemn(config)

    undone = entrepot("undelete", config, f"team/app@{Digest.of(GONE)}")
    done = entrepot("garbage-collect", config, "--offline")

    async def pulled() -> tuple[Manifest, bytes]:
        async with open_store(config) as (_, registry):
            repository = registry.repository(NAME)
            found = await repository.manifests.get(Digest.of(GONE))
            return found, await read_blob(repository, Digest.of(b"gone"))

    assert undone.exit_code == 0
    assert "0 blobs deleted" in done.stdout
    assert asyncio.run(pulled())[1] == b"gone"


def test_one_digest_is_taken_back(config: Path) -> None:
    condemn(config)

    undone = entrepot("undelete", config, str(Digest.of(b"gone")))

    assert "is kept: layer link of team/app, blob" in undone.stdout
    entrepot("garbage-collect", config, "--offline")
    assert entrepot("undelete", config, f"team/app@{Digest.of(b'gone')}").exit_code == 0


def test_what_is_gone_cannot_be_taken_back(config: Path) -> None:
    entrepot("garbage-collect", config, "--offline")

    for what in (str(Digest.of(b"gone")), f"team/app@{Digest.of(GONE)}", "nonsense", "UP@sha256:0"):
        undone = entrepot("undelete", config, what)
        assert undone.exit_code == 1
        assert undone.stderr.startswith("error: ")
    assert entrepot("undelete", config).exit_code == 1


def test_store_that_is_read_only_is_left_alone(config: Path) -> None:
    before = files(config)
    entrepot("readonly", "on", config)

    refused = entrepot("garbage-collect", config, "--offline")

    assert refused.exit_code == 1
    assert "read-only" in refused.stderr
    assert before <= files(config)


@pytest.mark.parametrize("option", ["--grace", "--wait"])
def test_time_that_is_none_is_refused(config: Path, option: str) -> None:
    refused = entrepot("garbage-collect", config, option, "soon")

    assert refused.exit_code == 1
    assert option in refused.stderr
