"""The comparison of collectors runs, and finds that each collected what it had to."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.real.programs import require_tool

pytestmark = pytest.mark.real
COLLECTING = Path(__file__).resolve().parents[2] / "benchmarks" / "collecting.py"


def test_it_compares(tmp_path: Path) -> None:
    tools = Path(require_tool("registry-v3")).parent
    options = [
        "--repositories",
        "3",
        "--simulated",
        "500",
        "--server",
        "ours",
        "--server",
        "v3",
        "--bare",
    ]
    done = subprocess.run(
        [sys.executable, COLLECTING, *options, "--folder", tmp_path],
        env={**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    figures = r" +[\d.]+ s, [\d.]+ CPU s, \d+ MiB"
    for what in (
        "150 blobs, 30 manifests, ours",
        "150 blobs, 30 manifests, v3",
        "150 blobs, 30 manifests, bare",
    ):
        assert re.search(f"^{what}{figures}$", done.stdout, re.MULTILINE)
    assert re.search(f"^  ours against it{figures}, [\\d.]+ x faster", done.stdout, re.MULTILINE)
    assert re.search(f"^500 blobs simulated, mark{figures}$", done.stdout, re.MULTILINE)
    assert list(tmp_path.iterdir()) == []
