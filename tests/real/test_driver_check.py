"""`entrepot drivers check` on real storage servers: every promise kept, nothing left there."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.real.backends import BACKENDS, Backend
from tests.real.programs import clean_environment, run

pytestmark = pytest.mark.parametrize("backend", BACKENDS, indirect=True, scope="module")


@pytest.fixture
def config(backend: Backend, tmp_path: Path) -> Path:
    written = tmp_path / "config.yml"
    written.write_text(json.dumps({"version": "0.1", **backend.configuration}), encoding="utf-8")
    return written


def entrepot(*arguments: str | Path) -> str:
    command = (sys.executable, "-m", "entrepot.server", *arguments)
    return run(*command, env=clean_environment(), timeout=300)


def test_every_promise_is_kept_and_nothing_is_left(backend: Backend, config: Path) -> None:
    report: dict[str, Any] = json.loads(
        entrepot("drivers", "check", config, "--seconds", "60", "--json")
    )

    assert [row for row in report["checks"] if row["result"] == "failed"] == []
    assert not any(secret in json.dumps(report) for secret in backend.secrets)
    assert backend.bucket.objects() + backend.bucket.unfinished() == []


def test_every_operation_is_measured_without_an_error(backend: Backend, config: Path) -> None:
    options = ["--seconds", "0.2", "--concurrency", "4", "--stream", "8MiB", "--keys", "20"]

    rows: list[dict[str, Any]] = json.loads(
        entrepot("drivers", "bench", config, *options, "--json")
    )

    assert [row["first_error"] for row in rows if row["errors"]] == []
    assert backend.bucket.objects() + backend.bucket.unfinished() == []
