"""The suite finds each planted mistake, and by the tests that are meant to find it."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from .broken_drivers import BROKEN
from .planted import PLANTED

_SUITES = Path(__file__).with_name("broken_suites.py")


def _run(report: Path, *tests: str) -> dict[str, set[str]]:
    """Run these tests of the broken drivers; the names of those that failed, by driver."""
    command = [sys.executable, "-m", "pytest", "-q", "--tb=no", f"--junitxml={report}", *tests]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout + done.stderr
    failed: dict[str, set[str]] = {}
    for case in ET.parse(report).iter("testcase"):
        broken = case.attrib["classname"].rpartition(".Test")[2]
        failed.setdefault(broken, set())
        if case.find("failure") is not None or case.find("error") is not None:
            failed[broken].add(case.attrib["name"].removeprefix("test_"))
    return failed


@pytest.fixture(scope="module")
def aimed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    report = tmp_path_factory.mktemp("aimed") / "report.xml"
    tests = [f"{_SUITES}::Test{name}::test_{all_.split()[0]}" for name, all_ in PLANTED.items()]
    return _run(report, *tests)


def test_every_broken_driver_has_its_planted_tests() -> None:
    assert list(PLANTED) == [broken.__name__ for broken in BROKEN]


@pytest.mark.parametrize("broken", PLANTED)
def test_suite_finds(broken: str, aimed: dict[str, set[str]]) -> None:
    assert aimed[broken] == {PLANTED[broken].split()[0]}


@pytest.mark.real
def test_suite_finds_each_mistake_by_exactly_the_planted_tests(tmp_path: Path) -> None:
    failed = _run(tmp_path / "report.xml", str(_SUITES))

    assert failed == {broken: set(tests.split()) for broken, tests in PLANTED.items()}
