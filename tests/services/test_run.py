"""What `run.py` does around its servers, tried with a small one."""

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path

import pytest
from tests.services import definition, ports, records, run
from tests.services.definition import Definition, Place, ServiceError
from tests.services.processes import MIB, Process, end, runs, spawn
from tests.services.running import find_service, services_folder

Env = Mapping[str, str] | None
WAITING = "import time; time.sleep(60)"
DEAF = """\
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print('deaf', flush=True)
time.sleep(60)
"""
SERVING = """\
import http.server, sys
http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), http.server.SimpleHTTPRequestHandler)\
.serve_forever()
"""


def start_small(place: Place) -> Mapping[str, str]:
    """A server of two processes, one of which answers."""
    place.spawn("second", sys.executable, "-c", WAITING)
    place.spawn("small", sys.executable, "-c", SERVING, str(place.port))
    endpoint = f"http://127.0.0.1:{place.port}"
    place.wait("small", lambda: ports.answers(f"{endpoint}/"))
    return {"endpoint": endpoint}


def start_broken(place: Place) -> Mapping[str, str]:
    """A server whose first process runs and whose second does not."""
    place.spawn("first", sys.executable, "-c", WAITING)
    place.spawn("broken", sys.executable, "-c", "raise SystemExit('no such disk')")
    place.wait("broken", lambda: False)
    return {}


def install_nothing(_: Path) -> None:
    """There is nothing to install."""


def service(
    name: str,
    *,
    start: Callable[[Place], Mapping[str, str]] = start_small,
    there: bool = True,
) -> Definition:
    """A server that is installed, or never can be."""

    def installed(_: Path) -> bool:
        return there

    return Definition(
        name=name,
        purpose="trying out",
        packages=(),
        install=install_nothing,
        installed=installed,
        start=start,
        memory=256 * MIB,
    )


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Path, None, None]:
    """A folder of servers of its own, in which nothing runs afterwards."""
    known = {
        each.name: each
        for each in (
            service("small"),
            service("broken", start=start_broken),
            service("absent", there=False),
        )
    }
    monkeypatch.setenv("ENTREPOT_SERVICES", str(tmp_path / "services"))
    monkeypatch.setattr(run, "SERVICES", known)
    yield services_folder()
    run.main(["stop"])


def started(name: str = "small") -> list[Process]:
    """The processes of a server that was just started."""
    assert run.main(["start", name]) == 0
    return records.remembered(name)[0]


def spawned(tmp_path: Path, code: str, memory: int = 256 * MIB) -> tuple[Process, Path]:
    """A process of Python, and its log."""
    log = tmp_path / "log"
    return spawn((sys.executable, "-c", code), log=log, memory=memory, folder=tmp_path), log


def said(log: Path, what: str) -> bool:
    """Whether a process says that before the time is up."""
    deadline = time.monotonic() + 10
    while what not in log.read_text():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def test_started_server_is_found_with_what_clients_need() -> None:
    processes = started()

    found = find_service("small")
    assert found is not None
    assert found.pids == tuple(each.pid for each in processes)
    assert ports.answers(found["endpoint"])


def test_server_listens_where_it_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    port = ports.choose(1)

    assert run.main(["start", f"small={port}"]) == 0

    assert f"http://127.0.0.1:{port}" in capsys.readouterr().out


def test_server_that_runs_is_not_started_again() -> None:
    before = started()

    assert started() == before


def test_stopped_server_is_gone() -> None:
    processes = started()

    assert run.main(["stop", "small"]) == 0

    assert not any(runs(each) for each in processes)
    assert find_service("small") is None


def test_stopping_leaves_other_processes_alone(tmp_path: Path) -> None:
    other, _ = spawned(tmp_path, WAITING)
    records.remember("small", [Process(other.pid, other.began - 1)], {"endpoint": "gone"})

    assert run.main(["stop", "small"]) == 0

    assert runs(other)
    end([other], 5)


def test_wiping_removes_what_is_stored(folder: Path) -> None:
    started()
    (folder / "small" / "data" / "object").write_text("stored")

    assert run.main(["wipe", "small"]) == 0

    assert not (folder / "small" / "data").exists()


def test_status_tells_a_server_that_died(capsys: pytest.CaptureFixture[str]) -> None:
    processes = started()
    assert run.main(["status"]) == 0

    os.kill(processes[0].pid, signal.SIGKILL)
    end([processes[0]], 5)

    assert run.main(["status"]) == 1
    assert "small: status: was started and does not run any more" in capsys.readouterr().err


def test_server_that_died_is_started_anew() -> None:
    before = started()
    os.kill(before[1].pid, signal.SIGKILL)
    end([before[1]], 5)

    after = started()

    assert not set(after) & set(before)
    assert not runs(before[0])


def test_failed_start_says_why_and_leaves_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = list[Process]()

    def watched(
        command: Sequence[str | Path], *, log: Path, memory: int, folder: Path, env: Env
    ) -> Process:
        begun.append(spawn(command, log=log, memory=memory, folder=folder, env=env))
        return begun[-1]

    monkeypatch.setattr(definition, "spawn", watched)

    assert run.main(["start", "broken"]) == 1

    assert "broken ended before it was ready:\nno such disk" in capsys.readouterr().err
    assert len(begun) == 2
    assert not any(runs(each) for each in begun)
    assert find_service("broken") is None


def test_server_that_is_never_ready_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(definition, "_READY", 0.2)
    place = Place(tmp_path, 0, 256 * MIB)
    place.spawn("slow", sys.executable, "-c", WAITING)

    with pytest.raises(ServiceError, match=r"slow is not ready after 0\.2 s"):
        place.wait("slow", lambda: False)

    place.end(5)


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["start", "smal"], 2, "smal: no such server; there are small, broken, absent"),
        (["stop", "small=1"], 2, "small=1: a port is for start, and a number"),
        (["start", "small=x"], 2, "small=x: a port is for start, and a number"),
        (["start", "absent"], 1, "not installed: python tests/services/run.py install absent"),
        (["install", "absent"], 1, "its program is missing"),
    ],
)
def test_mistake_is_told(
    arguments: list[str], code: int, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run.main(arguments) == code

    assert complaint in capsys.readouterr().err


def test_command_without_names_is_for_all() -> None:
    assert [each.name for each, _ in run.chosen("start", [])] == ["small", "broken", "absent"]
    assert [each.name for each, _ in run.chosen("start", ["absent"])] == ["absent"]


def test_taken_port_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        assert run.main(["start", f"small={port}"]) == 1

    assert f"port {port} is taken" in capsys.readouterr().err


def test_chosen_ports_are_free_and_in_a_row() -> None:
    first = ports.choose(5)

    assert all(ports.is_free(each) for each in range(first, first + 5))


def test_process_that_does_not_end_is_killed(tmp_path: Path) -> None:
    process, log = spawned(tmp_path, DEAF)
    assert said(log, "deaf")

    end([process], 0.1)

    assert not runs(process)


def test_process_gets_no_more_memory_than_it_may_have(tmp_path: Path) -> None:
    code = "import time; time.sleep(0.1); bytearray(300 << 20); print('had it')"
    process, log = spawned(tmp_path, code)

    assert said(log, "MemoryError")
    end([process], 5)


def test_saved_server_is_what_the_tests_read(folder: Path) -> None:
    started()

    saved = json.loads((folder / "run" / "small.json").read_text())

    assert set(saved) == {"pids", "began", "values"}
    assert [each.name for each in (folder / "run").iterdir()] == ["small.json"]
