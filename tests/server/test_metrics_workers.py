"""Metrics and health of several workers, shown by the process above them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from tests.server.observed import Labels, configured, samples_of

from entrepot.server.debug import debug_app
from entrepot.server.health import Health
from entrepot.server.health.sharing import share, shared

WORKER = """
import sys
from tests.server.observed import watched

with watched() as site:
    for _ in range(int(sys.argv[1])):
        site.client.get("/v2/")
    site.client.post("/v2/a/blobs/uploads/")
    print("ready", flush=True)
    sys.stdin.read()
"""
TOP = Path(__file__).parents[2]
Worker = subprocess.Popen[str]
Begin = Callable[[int], Worker]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def begin(folder: Path) -> Generator[Begin, None, None]:
    begun: list[Worker] = []

    def beginning(requests: int) -> Worker:
        process = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(requests)],
            cwd=TOP,
            env=os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(folder)},
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        begun.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    yield beginning
    for process in begun:
        process.kill()
        process.communicate()


def processor_time(process: Worker) -> float:
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def labels(**given: str) -> Labels:
    return tuple(sorted(given.items()))


BASE = labels(handler="base", method="get", code="200")
COUNT = labels(handler="base", method="get")


def test_workers_are_added_up_and_what_ended_ones_counted_stays(folder: Path, begin: Begin) -> None:
    first, second = begin(3), begin(4)
    used = processor_time(first) + processor_time(second)
    page = TestClient(debug_app(configured()))

    both = samples_of(page.get("/metrics").text)
    assert both["registry_http_requests_total"][BASE] == 7
    assert both["registry_http_request_duration_seconds_count"][COUNT] == 7
    assert both["registry_uploads_open"][()] == 2
    assert both["registry_http_in_flight_requests"][labels(handler="base")] == 0
    assert both["process_resident_memory_bytes"][()] > 50_000_000
    (folder / f"summary_{second.pid}.db").touch()  # as it is for a moment
    assert samples_of(page.get("/metrics").text)["registry_http_requests_total"][BASE] == 7
    spent = both["process_cpu_seconds_total"][()]
    assert spent >= used > 0

    for number, process in enumerate((first, second), 1):
        process.kill()
        process.wait()
        left = samples_of(page.get("/metrics").text)
        assert left["registry_http_requests_total"][BASE] == 7
        assert left["registry_http_request_duration_seconds_count"][COUNT] == 7
        assert left["registry_uploads_open"][()] == 2
        assert left["process_cpu_seconds_total"][()] >= spent
        assert ("registry_http_in_flight_requests" in left) is (number == 1)
    assert sorted(path.name for path in folder.glob("*.db")) == [
        "counter_ended.db",
        "gauge_sum_ended.db",
        "histogram_ended.db",
    ]


def test_sick_worker_makes_the_page_say_so(folder: Path) -> None:
    page = TestClient(debug_app(configured()))
    assert (page.get("/debug/health").status_code, page.get("/debug/health").json()) == (200, {})

    health = Health()
    share(health, folder)
    health.report("shelf", "broken")
    answer = page.get("/debug/health")
    assert (answer.status_code, answer.json()) == (503, {"shelf": "broken"})

    health.report("shelf", None)
    assert page.get("/debug/health").status_code == 200


def test_health_of_a_worker_that_ended_is_forgotten(folder: Path) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    path = folder / f"health_{ended.pid}.json"
    path.write_text(json.dumps({"shelf": "broken"}))

    assert shared(folder) == {}
    assert not path.exists()


def test_workers_share_their_health_from_their_start(folder: Path, begin: Begin) -> None:
    process = begin(0)

    assert (folder / f"health_{process.pid}.json").read_text() == "{}"
    assert not (folder / f"health_{os.getpid()}.json").exists()


def test_folder_that_is_gone_costs_the_sharing_only(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    health = Health()
    share(health, folder / "none")

    assert "health cannot be told" in caplog.text
