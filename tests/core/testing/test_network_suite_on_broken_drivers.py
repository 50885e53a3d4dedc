"""The network suite finds each mistake that was planted for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from entrepot.core.testing import NetworkSuite

from .broken_lines import LINES
from .running import run

_SUITES = Path(__file__).with_name("broken_line_suites.py")
_PROCESSES = 4  # which wait for what hangs, most of the time

pytestmark = pytest.mark.real  # minutes of waiting for what hangs


@pytest.fixture(scope="module")
def aimed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    aimed = [f"{_SUITES}::Test{kind.__name__}::test_{test}" for kind, test in LINES.items()]
    return run(tmp_path_factory.mktemp("aimed"), aimed, processes=_PROCESSES)


@pytest.mark.parametrize("broken", LINES, ids=lambda kind: kind.__name__)
def test_network_suite_finds(broken: type, aimed: dict[str, set[str]]) -> None:
    assert aimed[broken.__name__] == {LINES[broken]}


def test_every_test_of_the_network_suite_has_its_mistake() -> None:
    tests = {name.removeprefix("test_") for name in dir(NetworkSuite) if name.startswith("test_")}

    assert tests == set(LINES.values())
