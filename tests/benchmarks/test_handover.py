"""The benchmark of nginx runs and reports; what the figures are is no matter of a test."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.real.programs import require_tool

pytestmark = pytest.mark.real

PROGRAM = Path(__file__).resolve().parents[2] / "benchmarks" / "handover.py"


def test_both_ways_are_measured_and_nothing_is_left(tmp_path: Path) -> None:
    require_tool("nginx")
    command = [sys.executable, str(PROGRAM), "--mebibytes", "64", "--rounds", "1"]

    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"TMPDIR": str(tmp_path)},
    )

    assert done.returncode == 0, done.stderr
    title, *rows, summary = done.stdout.splitlines()
    assert title.startswith("pull through nginx")
    assert [row.split()[0] for row in rows] == ["proxied", "X-Accel-Redirect"]
    assert summary.startswith("X-Accel-Redirect takes ")
    assert list(tmp_path.iterdir()) == []
