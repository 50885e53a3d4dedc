"""The benchmark runs and reports every row; what the figures are is no matter of a test."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict, cast

import pytest

pytestmark = pytest.mark.real

RUN = Path(__file__).resolve().parents[2] / "benchmarks" / "run.py"
TRANSFERS = {
    f"{what}, {load}"
    for what in ("push, PATCH whole", "push, PUT whole", "push, PATCH chunked", "pull")
    for load in ("1 x 64 MiB", "8 x 8 MiB")
}
REQUESTS = {
    "GET /v2/",
    "HEAD manifest by tag",
    "GET manifest by tag",
    "GET manifest by digest",
    "HEAD blob",
    "GET blob of 2 KiB",
}
MEMORY = {
    "resident, idle after start",
    "resident at most, push of 8 x 16 MiB",
    *(f"resident at most, {transfer}" for transfer in TRANSFERS),
}


class Row(TypedDict):
    """What the report says of one row."""

    unit: str
    what: str
    median: dict[str, float]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run printed, wrote, and left behind."""

    table: str
    rows: list[Row]
    left: list[Path]

    def of_unit(self, unit: str) -> set[str]:
        """The rows of a unit, without the client that is named in brackets."""
        return {row["what"].partition(" [")[0] for row in self.rows if row["unit"] == unit}


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    folder, report = tmp_path_factory.mktemp("work"), tmp_path_factory.mktemp("json") / "report"
    where = ["--folder", str(folder), "--json", str(report)]
    command = [sys.executable, str(RUN), "--quick", "--memory", "--server", "ours", *where]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = cast("list[Row]", json.loads(report.read_text())["rows"])
    return Outcome(done.stdout, rows, list(folder.iterdir()))


@pytest.mark.parametrize("unit", ["CPU s / GiB", "wall s / GiB"])
def test_report_has_every_transfer(outcome: Outcome, unit: str) -> None:
    assert outcome.of_unit(unit) == TRANSFERS


@pytest.mark.parametrize("unit", ["requests / CPU s", "requests / s"])
def test_report_has_every_request(outcome: Outcome, unit: str) -> None:
    assert outcome.of_unit(unit) == REQUESTS


def test_report_has_memory_of_every_phase(outcome: Outcome) -> None:
    assert outcome.of_unit("MiB") == MEMORY


def test_report_has_start(outcome: Outcome) -> None:
    assert outcome.of_unit("s") == {"start until /v2/ answers", "start until /v2/ answers, CPU"}


def test_figures_are_positive(outcome: Outcome) -> None:
    assert [row for row in outcome.rows if row["median"]["ours"] <= 0] == []


def test_table_shows_every_row(outcome: Outcome) -> None:
    shown = {line.split("|")[1].strip() for line in outcome.table.splitlines() if line[:1] == "|"}
    assert {row["what"] for row in outcome.rows} <= shown


def test_run_leaves_nothing_behind(outcome: Outcome) -> None:
    assert outcome.left == []
