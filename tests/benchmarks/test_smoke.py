"""The benchmark runs and reports every row; what the figures are is no matter of a test."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict, cast

import pytest
from tests.services.running import require_service

pytestmark = pytest.mark.real

RUN = Path(__file__).resolve().parents[2] / "benchmarks" / "run.py"
TRANSFERS = {
    f"{what}, {load}"
    for what in ("push, PATCH whole", "push, PUT whole", "push, PATCH chunked", "pull")
    for load in ("1 x 64 MiB", "8 x 8 MiB")
}
SMALL = {
    f"{verb}, 200 blobs of 4 KiB, {clients}"
    for verb in ("push", "pull")
    for clients in ("1 client", "8 clients")
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


@pytest.mark.parametrize("unit", ["CPU ms / blob", "wall ms / blob"])
def test_report_has_small_blobs(outcome: Outcome, unit: str) -> None:
    assert outcome.of_unit(unit) == SMALL


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


def test_backend_is_measured(tmp_path: Path) -> None:
    require_service("seaweedfs")
    command = [sys.executable, str(RUN), "--quick", "--backend", "s3", "--server", "ours"]
    parts = ["--stage", "transfers", "--style", "PATCH whole", "--stage", "small", "--small", "8"]
    where = ["--folder", str(tmp_path), "--json", str(tmp_path / "report")]

    done = subprocess.run([*command, *parts, *where], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    rows = cast("list[Row]", json.loads((tmp_path / "report").read_text())["rows"])
    assert {row["unit"] for row in rows} >= {"CPU s / GiB", "CPU ms / blob", "MiB"}
    assert "push, PATCH whole, 8 x 8 MiB" in {row["what"] for row in rows}
    assert [each.name for each in tmp_path.iterdir()] == ["report"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--backend", "gcs", "--server", "v3"], "registry-v3 cannot store on gcs"),
        (["--backend", "sftp"], "sftp does not run: python tests/services/run.py start sftp"),
    ],
)
def test_what_cannot_be_measured_is_told(
    arguments: list[str], complaint: str, tmp_path: Path
) -> None:
    command = [sys.executable, str(RUN), "--quick", *arguments]
    env = os.environ | ({"ENTREPOT_SERVICES": str(tmp_path)} if "sftp" in arguments else {})
    if "gcs" in arguments:
        require_service("fake-gcs-server")

    done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)

    assert (done.returncode, done.stderr) == (1, f"{complaint}\n")
