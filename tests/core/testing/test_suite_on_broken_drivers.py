"""The suite finds each planted mistake, and by the tests that are meant to find it."""

from __future__ import annotations

from pathlib import Path

import pytest

from .broken_drivers import BROKEN
from .planted import PLANTED
from .running import run

_SUITES = Path(__file__).with_name("broken_suites.py")
_SMALL = "-ptests.core.testing.small"
_PROCESSES = 3  # one more than processors, for some tests wait until what hangs is given up


def test_every_broken_driver_has_its_planted_tests() -> None:
    assert list(PLANTED) == [broken.__name__ for broken in BROKEN]


@pytest.mark.real
def test_suite_finds_each_mistake_by_exactly_the_planted_tests(tmp_path: Path) -> None:
    suites = [f"{_SUITES}::Test{broken.__name__}" for broken in BROKEN]

    failed = run(tmp_path, suites, _SMALL, processes=_PROCESSES)

    assert failed == {broken: set(tests.split()) for broken, tests in PLANTED.items()}
