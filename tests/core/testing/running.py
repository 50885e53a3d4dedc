"""Runs suites in a pytest of their own, because in them tests are to fail."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest


def run(report: Path, *tests: str) -> dict[str, set[str]]:
    """Run these tests of broken drivers; the names of those that failed, by driver."""
    command = [sys.executable, "-m", "pytest", "-q", "--tb=no", f"--junitxml={report}", *tests]
    done = subprocess.run(command, capture_output=True, text=True, timeout=3600, check=False)
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout + done.stderr
    failed: dict[str, set[str]] = {}
    for case in ET.parse(report).iter("testcase"):
        broken = case.attrib["classname"].rpartition(".Test")[2]
        failed.setdefault(broken, set())
        if case.find("failure") is not None or case.find("error") is not None:
            failed[broken].add(case.attrib["name"].removeprefix("test_"))
    return failed
