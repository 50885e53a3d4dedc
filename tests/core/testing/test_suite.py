"""What the suite does for its author besides testing: one fixture, no silent exceptions."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from entrepot.core.testing import DriverSuite

_AUTHOR = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from contextlib import asynccontextmanager
import pytest
from dictionary import DictionaryDriver, Stored
from entrepot.core.testing import DriverSuite

class RangeIgnoringDriver(DictionaryDriver):
    async def read(self, key, start=0, stop=None):
        async for chunk in super().read(key):
            yield chunk

def opening(driver):
    @asynccontextmanager
    async def open_driver():
        yield driver
    return open_driver

class TestWithoutFixture(DriverSuite):
    pass

class TestFullStore(DriverSuite):
    store = {{"precious": Stored(b"", 0)}}

    @pytest.fixture
    def open_driver(self):
        return opening(DictionaryDriver(self.store))

def test_precious_is_still_there():
    assert list(TestFullStore.store) == ["precious"]

class TestFailing(DriverSuite):
    @pytest.fixture
    def open_driver(self):
        return opening(RangeIgnoringDriver({{}}))

class TestDeviating(TestFailing):
    deviations = {{"test_read_range_in_the_middle": "no ranges", "test_stat_missing": "a lie"}}

class TestDriverAlone(DriverSuite):
    @pytest.fixture
    async def driver(self):
        yield DictionaryDriver({{}})
"""
_RUN = "read_range_in_the_middle or stat_missing or precious or delete_is_seen_by_another"


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What pytest says of an author's test module, with nothing set up."""
    folder = tmp_path_factory.mktemp("author")
    (folder / "test_author.py").write_text(_AUTHOR)
    command = [sys.executable, "-m", "pytest", "-rA", "-W", "error", "--strict-markers", "-k", _RUN]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    return done.stdout + done.stderr


async def _passes(self: object) -> None: ...


def test_replacing_a_test_is_refused() -> None:
    with pytest.raises(TypeError, match=r"TestMine replaces test_read_missing"):
        type("TestMine", (DriverSuite,), {"test_read_missing": _passes})


def test_replacing_a_test_in_a_mixin_is_refused() -> None:
    mixin = type("Mixin", (), {"test_read_missing": _passes})

    with pytest.raises(TypeError, match=r"replaces test_read_missing"):
        type("TestMine", (mixin, DriverSuite), {})


def test_deviation_that_names_no_test_is_refused() -> None:
    with pytest.raises(TypeError, match=r"deviations names no test: test_reed"):
        type("TestMine", (DriverSuite,), {"deviations": {"test_reed": "typing error"}})


def test_own_tests_beside_the_suites_are_welcome() -> None:
    type("TestMine", (DriverSuite,), {"test_mine_alone": _passes})


def test_suite_without_its_fixture_says_what_to_write(said: str) -> None:
    assert "TestWithoutFixture has to override the fixture `open_driver`" in said


def test_suite_refuses_a_store_that_is_not_empty(said: str) -> None:
    assert "the suite deletes all it finds, and the store holds ['precious']" in said
    assert "PASSED test_author.py::test_precious_is_still_there" in said


def test_failures_show_what_was_compared(said: str) -> None:
    assert "FAILED test_author.py::TestFailing::test_read_range_in_the_middle" in said
    assert "assert b'0123456789' == b'3456'" in said


def test_declared_deviation_is_expected_to_fail(said: str) -> None:
    deviating = "test_author.py::TestDeviating::test_read_range_in_the_middle"

    assert f"XFAIL {deviating} - no ranges" in said


def test_declared_deviation_that_passes_is_a_failure(said: str) -> None:
    assert "FAILED test_author.py::TestDeviating::test_stat_missing" in said
    assert "[XPASS(strict)] a lie" in said


def test_driver_alone_leaves_out_what_needs_two(said: str) -> None:
    assert "PASSED test_author.py::TestDriverAlone::test_stat_missing" in said
    assert "only `driver` is overridden: there is no second instance of it" in said
