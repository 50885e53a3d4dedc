"""The table of what the kit found."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).parents[1]
_AUTHOR = """
from contextlib import nullcontext
import pytest
from entrepot.core.testing import DriverSuite
from entrepot.drivers.inmemory import InMemoryDriver, Store

class Forgetful(InMemoryDriver):
    async def stat(self, key):
        return await super().stat("other")

class TestGood(DriverSuite):
    many = 1_001
    lowered = {"many": "a listing costs a coffee"}
    kind = InMemoryDriver

    @pytest.fixture
    def open_driver(self):
        store = Store()
        return lambda: nullcontext(self.kind(store))

class TestBad(TestGood):
    kind = Forgetful
    deviations = {"test_stat_of_an_empty_object": "forgets it"}

def test_of_no_suite():
    pass
"""


@pytest.mark.parametrize(
    "processes", [[], pytest.param(["-n", "2"], marks=pytest.mark.real)], ids=["one", "several"]
)
def test_certificate_counts_and_gives_reasons(tmp_path: Path, processes: list[str]) -> None:
    (tmp_path / "test_author.py").write_text(_AUTHOR)
    certificate = tmp_path / "certificate.md"
    command = [sys.executable, "-m", "tests.certify", str(tmp_path / "test_author.py"), *processes]
    chosen = ["-k", "test_stat_ or link_gets_a_range or no_suite"]

    done = subprocess.run(
        [*command, f"--certificate={certificate}", *chosen],
        cwd=TOP, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip

    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout + done.stderr
    text = certificate.read_text()
    assert "| Good | DriverSuite | 8 | 0 | 0 | 1 |" in text
    assert "| Bad | DriverSuite |" in text
    assert "- skipped: test_link_gets_a_range: this driver gives no links" in text
    assert "- failed: test_stat_tells_key_and_size" in text
    assert "- deviation: test_stat_of_an_empty_object: forgets it" in text
    assert "- lowered: many: a listing costs a coffee" in text
    assert "no_suite" not in text
