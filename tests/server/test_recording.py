"""Pulls of tags are recorded where a rule asks for it, beside serving and not while it may not."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
from starlette.testclient import TestClient
from tests.core.stores import open_memory, put
from tests.server.conftest import Pusher

from entrepot.core import layout
from entrepot.core.configuration import load
from entrepot.core.errors import UnavailableError
from entrepot.core.events import Action, Event, Source, Target
from entrepot.core.names import RepositoryName
from entrepot.core.pulls import pulled
from entrepot.core.testing import Fault, FaultyDriver
from entrepot.server.app import create_app
from entrepot.server.recording import recording

NAME = RepositoryName("a/b")
RULES = "[{repositories: ['**'], keep: 5, pulls: %s}]"


def until(claim: Callable[[], bool]) -> None:
    """Wait until a claim is true; it may not take longer than ten seconds."""
    deadline = time.monotonic() + 10
    while not claim():
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.01)


def client(root: Path, pulls: str) -> TestClient:
    variables = {
        "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": str(root),
        "REGISTRY_POLICY_TAGS": RULES % pulls,
    }
    return TestClient(create_app(load(None, variables).configuration))


def records(root: Path) -> set[str]:
    found = root.glob("docker/registry/v2/repositories/a/b/_pulled/*/at")
    return {file.parent.name for file in found}


def test_pulls_by_tag_are_recorded(tmp_path: Path) -> None:
    with client(tmp_path, "true") as registry:
        for tag in ("got", "asked", "pushed", "by-digest", "last"):
            digest, _ = Pusher(registry).image("a/b", tag)
        registry.get(f"/v2/a/b/manifests/{digest}")
        registry.get("/v2/a/b/manifests/got")
        registry.head("/v2/a/b/manifests/asked")
        registry.get("/v2/a/b/manifests/missing")
        registry.get("/v2/a/b/manifests/last")
        until(lambda: "last" in records(tmp_path))

        assert records(tmp_path) == {"got", "asked", "last"}
        assert (tmp_path / "entrepot/pulls/began").exists()


def test_nothing_is_recorded_unless_a_rule_asks_for_it(tmp_path: Path) -> None:
    with client(tmp_path, "false") as registry:
        Pusher(registry).image("a/b", "got")
        assert registry.get("/v2/a/b/manifests/got").status_code == 200

    assert records(tmp_path) == set()
    assert not (tmp_path / "entrepot/pulls").exists()


def event(tag: str, action: Action = "pull") -> Event:
    return Event("id", 1.0, action, Target(NAME.text, tag=tag), Source("id"))


@pytest.mark.anyio
async def test_pull_that_could_not_be_recorded_is_the_next_time() -> None:
    async with open_memory() as store:
        driver = FaultyDriver(store)
        async with recording(driver) as recorder:
            await anyio.wait_all_tasks_blocked()
            driver.faults = [Fault("stat", UnavailableError("", "no"), times=1)]
            for _ in range(2):
                await recorder.observe(event("t"))
                await anyio.wait_all_tasks_blocked()
            await recorder.observe(event("u", "push"))
            await anyio.wait_all_tasks_blocked()

        assert set(await pulled(store, NAME)) == {"t"}


@pytest.mark.anyio
async def test_pull_costs_the_store_nothing_when_it_is_known() -> None:
    async with open_memory() as store:
        driver = FaultyDriver(store)
        async with recording(driver) as recorder:
            await recorder.observe(event("t"))
            await anyio.wait_all_tasks_blocked()
            before = len(driver.calls)
            for _ in range(100):
                await recorder.observe(event("t"))
            await anyio.wait_all_tasks_blocked()

            assert len(driver.calls) == before


@pytest.mark.anyio
async def test_nothing_is_written_while_the_store_is_read_only() -> None:
    async with open_memory() as store:
        await put(store, layout.READ_ONLY, b"{}")
        driver = FaultyDriver(store)
        async with recording(driver) as recorder:
            await recorder.observe(event("t"))
            await anyio.wait_all_tasks_blocked()

        assert "write" not in [verb for verb, _ in driver.calls]
