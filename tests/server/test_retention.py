"""Expired tags removed beside serving, on one replica at a time; and `entrepot retention`."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.core.stores import NAME, index, open_memory
from typer.testing import CliRunner, Result

from entrepot.core.configuration import load
from entrepot.core.configuration.durations import Duration
from entrepot.core.configuration.model_tags import TagRule
from entrepot.core.names import Tag
from entrepot.core.registry import Rules, open_registry
from entrepot.core.tag_rules import TagRules
from entrepot.server.cli import app
from entrepot.server.maintained import Maintained
from entrepot.server.retaining import retain_in_turn, retaining

DAY = 86_400.0
FUTURE = 4_000_000_000.0  # seconds since the epoch; everything is old by then
EXPIRING = Rules(
    verify_references=False,
    tags=TagRules([TagRule(repositories=("**",), expire=Duration.parse("24h"), never=("keep",))]),
)


@pytest.mark.anyio
async def test_one_replica_removes_in_an_interval(caplog: pytest.LogCaptureFixture) -> None:
    async with open_memory() as driver, open_registry(driver, EXPIRING) as registry:
        repository = registry.repository(NAME)
        for tag in ("old", "keep"):
            await repository.manifests.put(Tag(tag), index(), None)

        with caplog.at_level(logging.INFO, "entrepot.retention"):
            dry = await retain_in_turn(registry, DAY, FUTURE, is_dry_run=True)
            beaten = await retain_in_turn(registry, DAY, FUTURE + 60, is_dry_run=False)
            left = (await repository.tags.page()).names
            done = await retain_in_turn(registry, DAY, FUTURE + DAY, is_dry_run=False)

        assert dry is not None
        assert beaten is None
        assert done is not None
        assert (dry.removed, done.removed) == (1, 1)
        assert left == ["keep", "old"]
        assert (await repository.tags.page()).names == ["keep"]
    assert "tag team/app:old would be removed: policy.tags.0: pushed 24h0m0s ago" in caplog.text
    assert "1 of 2 tags expired and removed, 0 could not be" in caplog.text


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("rule", "enabled", "begins"),
    [("keep: 1", "true", True), ("keep: 1", "false", False), ("immutable: [a]", "true", False)],
)
async def test_runs_only_where_tags_expire(
    rule: str, enabled: str, begins: bool, caplog: pytest.LogCaptureFixture
) -> None:
    variables = {
        "REGISTRY_STORAGE": "inmemory",
        "REGISTRY_POLICY_TAGS": f"[{{repositories: ['**'], {rule}}}]",
        "REGISTRY_STORAGE_MAINTENANCE_RETENTION_ENABLED": enabled,
    }
    configuration = load(None, variables).configuration
    rules = Rules(tags=TagRules(configuration.policy.tags))
    async with open_memory() as driver, open_registry(driver, rules) as registry:
        with caplog.at_level(logging.INFO, "entrepot.retention"):
            async with retaining(configuration, registry, Maintained()):
                await anyio_yield()

    assert ("Starting removal of expired tags" in caplog.text) == begins


async def anyio_yield() -> None:
    import anyio

    await anyio.wait_all_tasks_blocked()


RULES = "[{repositories: [a/*], keep: 1, never: [latest]}]"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    tags = tmp_path / "docker/registry/v2/repositories/a/b/_manifests/tags"
    digest = "sha256:" + "0" * 64
    for days, tag in enumerate(("v3", "v2", "v1", "latest"), 1):
        for link in ("current", f"index/sha256/{'0' * 64}"):
            (tags / tag / link).mkdir(parents=True)
            (tags / tag / link / "link").write_text(digest)
            then = 1_600_000_000 - days * DAY
            os.utime(tags / tag / link / "link", (then, then))
    return tmp_path


def entrepot(root: Path, *arguments: str, rules: str = RULES) -> Result:
    variables: Mapping[str, str] = {
        "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": str(root),
        "REGISTRY_POLICY_TAGS": rules,
    }
    return CliRunner(env=variables).invoke(app, ["retention", *arguments])


def tags(root: Path) -> set[str]:
    found = root.glob("docker/registry/v2/repositories/a/b/_manifests/tags/*/current/link")
    return {link.parent.parent.name for link in found}


def test_dry_run_shows_what_decides_for_each_tag(root: Path) -> None:
    shown = entrepot(root, "--dry-run")
    told = [json.loads(line) for line in entrepot(root, "-d", "--json").stdout.splitlines()]

    assert shown.exit_code == 0
    lines = {line.split()[0]: line for line in shown.stdout.splitlines()}
    assert lines["a/b:v1"].endswith("remove    policy.tags.0: not among the 1 pushed last")
    assert lines["a/b:v3"].endswith("keep      policy.tags.0: among the 1 pushed last")
    assert lines["a/b:latest"].endswith("keep      policy.tags.0: never expires (latest)")
    assert shown.stdout.splitlines()[-1] == "2 of 4 tags would be removed"
    assert {one["tag"]: one["decision"] for one in told} == {
        "latest": "keep",
        "v1": "remove",
        "v2": "remove",
        "v3": "keep",
    }
    assert next(one for one in told if one["tag"] == "v3") == {
        "repository": "a/b",
        "tag": "v3",
        "pushed": "2020-09-12T12:26:40Z",
        "decision": "keep",
        "reasons": [{"rule": 0, "keeps": True, "why": "among the 1 pushed last"}],
    }
    assert tags(root) == {"v1", "v2", "v3", "latest"}


def test_command_removes_and_shows_only_that(root: Path) -> None:
    done = entrepot(root, "--json")

    assert done.exit_code == 0
    assert [json.loads(line)["tag"] for line in done.stdout.splitlines()] == ["v1", "v2"]
    assert done.stderr == "2 of 4 tags removed\n"
    assert tags(root) == {"v3", "latest"}


def test_without_a_rule_by_which_tags_expire_it_says_so(root: Path) -> None:
    refused = entrepot(root, rules="[{repositories: ['**'], immutable: ['*']}]")

    assert refused.exit_code == 1
    assert refused.stderr.startswith("error: policy.tags: no rule lets a tag expire")
    assert "Traceback" not in refused.output


def test_read_only_store_is_left_alone(root: Path) -> None:
    (root / "entrepot").mkdir()
    (root / "entrepot" / "readonly").write_text('{"reason": "moving", "since": 1}')

    refused = entrepot(root)

    assert refused.exit_code == 1
    assert refused.stderr == (
        "error: the store is read-only (moving); `entrepot readonly off` ends that\n"
    )
    assert tags(root) == {"v1", "v2", "v3", "latest"}
