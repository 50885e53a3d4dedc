"""Runs suites in pytests of their own, because in them tests are to fail."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[3]
_UNUSED = ("cacheprovider", "logging", "hypothesispytest", "xdist", "xdist.looponfail")


def run(
    folder: Path, tests: Sequence[str], *options: str, processes: int = 1
) -> dict[str, set[str]]:
    """Run these tests of broken drivers; the names of those that failed, by driver.

    They are dealt out to so many processes side by side.
    """
    shares = [tests[first::processes] for first in range(processes)]
    reports = [folder / f"{number}.xml" for number in range(processes)]
    with ThreadPoolExecutor(processes) as threads:
        list(threads.map(_run, reports, [[*share, *options] for share in shares]))
    failed: dict[str, set[str]] = {}
    for report in reports:
        for case in ET.parse(report).iter("testcase"):
            broken = case.attrib["classname"].rpartition(".Test")[2]
            failed.setdefault(broken, set())
            if case.find("failure") is not None or case.find("error") is not None:
                failed[broken].add(case.attrib["name"].removeprefix("test_"))
    return failed


def _run(report: Path, arguments: list[str]) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "--tb=no", f"--junitxml={report}", *arguments]
    command += ["--capture=no", "-ofaulthandler_timeout=0", *(f"-pno:{name}" for name in _UNUSED)]
    done = subprocess.run(
        command, cwd=_ROOT, capture_output=True, text=True, timeout=3600, check=False
    )
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout + done.stderr
