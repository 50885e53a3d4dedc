"""`entrepot drivers`: what its commands print, and how they end."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner

from entrepot.core.probe import CHECKS
from entrepot.core.probe.running import CLEAN_UP
from entrepot.server.cli import app

PLUGIN = """
import asyncio, os, threading, time
from contextlib import asynccontextmanager

from entrepot.core import AccessError, DriverOptions, WrappingDriver, hookimpl
from entrepot.drivers.filesystem import FilesystemOptions, open_filesystem


class Odd(DriverOptions):
    root: str
    how: str


class OddDriver(WrappingDriver):
    exclusive = True

    def __init__(self, driver, how):
        super().__init__(driver)
        self.how = how
        self.exclusive_create = how != "shy"

    async def copy(self, source, target):
        match self.how:
            case "waits":
                print("waiting", flush=True)
                await asyncio.Event().wait()
            case "deaf":
                while True:
                    try:
                        await asyncio.Event().wait()
                    except asyncio.CancelledError:
                        pass
            case "blocks":
                time.sleep(3600)
            case "refuses":
                raise AccessError(source, "copying is [forbidden]")
        return await super().copy(source, target)


@asynccontextmanager
async def open_odd(options):
    if options.how == "closed":
        raise ValueError("nobody is at home")
    async with open_filesystem(FilesystemOptions(rootdirectory=options.root)) as driver:
        yield OddDriver(driver, options.how)


@hookimpl
def register_drivers(register):
    register("odd", open_odd, Odd)
"""


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.chdir(tmp_path)
    return CliRunner(env={"COLUMNS": "200"})


@pytest.fixture
def plugged(tmp_path: Path) -> Mapping[str, str]:
    """An environment with a plug-in whose driver is odd in a way that a variable names."""
    folder = tmp_path / "plugged"
    information = folder / "entrepot_odd-1.0.dist-info"
    information.mkdir(parents=True)
    (folder / "entrepot_odd.py").write_text(PLUGIN, encoding="utf-8")
    (information / "METADATA").write_text(
        "Metadata-Version: 2.4\nName: entrepot-odd\nVersion: 1.0\n"
    )
    (information / "entry_points.txt").write_text("[entrepot]\nodd = entrepot_odd\n")
    inherited = {key: value for key, value in os.environ.items() if "REGISTRY_" not in key}
    return inherited | {
        "PYTHONPATH": str(folder),
        "REGISTRY_STORAGE": "odd",
        "REGISTRY_STORAGE_ODD_ROOT": str(tmp_path / "store"),
    }


def start(how: str, plugged: Mapping[str, str], *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "entrepot.server", "drivers", *arguments],
        env={**plugged, "REGISTRY_STORAGE_ODD_HOW": how},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


# -- check ------------------------------------------------------------------------------------


def test_check_tells_every_check_and_ends_with_0(runner: CliRunner, tmp_path: Path) -> None:
    result = runner.invoke(app, ["drivers", "check"])

    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    for check in (*CHECKS, CLEAN_UP):
        assert any(line.startswith(check) for line in lines), check
    assert lines[-1].startswith("filesystem: every promise is kept")
    assert files_in(tmp_path) == []


def test_check_as_json(runner: CliRunner) -> None:
    result = runner.invoke(app, ["drivers", "check", "--json"])

    document = json.loads(result.stdout)
    assert document["kept"] is True
    assert document["driver"] == "filesystem"
    assert [row["check"] for row in document["checks"]] == [*CHECKS, CLEAN_UP]
    assert {row["result"] for row in document["checks"]} == {"ok", "none"}


@pytest.mark.real
def test_check_ends_with_1_where_a_promise_is_broken(plugged: Mapping[str, str]) -> None:
    with start("refuses", plugged, "check") as process:
        said, told = process.communicate(timeout=60)

    assert process.returncode == 1, told
    (row,) = [line for line in said.splitlines() if line.startswith("copy and move")]
    assert "failed" in row
    assert "copying is [forbidden]" in row
    assert said.splitlines()[-1] == "odd: 1 promise is broken; do not store images there"


@pytest.mark.real
def test_check_shows_an_honest_limitation_and_ends_with_0(plugged: Mapping[str, str]) -> None:
    with start("shy", plugged, "check") as process:
        said, told = process.communicate(timeout=60)

    assert process.returncode == 0, told
    assert "cannot create exclusively" in said
    assert said.splitlines()[-1].endswith("1 limited)")


@pytest.mark.real
@pytest.mark.parametrize(
    ("signalled", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["INT", "TERM"]
)
def test_interrupted_check_leaves_nothing(
    signalled: signal.Signals, code: int, plugged: Mapping[str, str], tmp_path: Path
) -> None:
    with start("waits", plugged, "check") as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "waiting" in line:
                break
        assert files_in(tmp_path / "store")
        process.send_signal(signalled)
        said, told = process.communicate(timeout=60)

    assert process.returncode == code
    assert CLEAN_UP in said
    assert "interrupted" in told
    assert "Traceback" not in told
    assert files_in(tmp_path / "store") == []


@pytest.mark.real
def test_driver_that_cannot_be_cancelled_does_not_keep_the_command(
    plugged: Mapping[str, str],
) -> None:
    with start("deaf", plugged, "check", "--seconds", "2") as process:
        said, _ = process.communicate(timeout=60)

    assert process.returncode == 1
    assert "hangs" in said
    assert re.search(r"nothing left behind +ok", said)


@pytest.mark.real
def test_driver_that_blocks_the_event_loop_does_not_keep_the_command(
    plugged: Mapping[str, str],
) -> None:
    script = (
        "import entrepot.server.cli.driver_check as check; check._BLOCKED = 1.0;"
        "from entrepot.server.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "drivers", "check", "--seconds", "2"],
        env={**plugged, "REGISTRY_STORAGE_ODD_HOW": "blocks"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 1
    assert "odd: copy and move: the driver blocks the event loop" in done.stderr


@pytest.mark.real
def test_driver_that_does_not_open_is_told_with_its_plugin(plugged: Mapping[str, str]) -> None:
    for command in ("check", "bench"):
        with start("closed", plugged, command) as process:
            said, told = process.communicate(timeout=60)

        assert process.returncode == 1
        assert told.startswith("error: plug-in 'odd': the driver 'odd' failed to open with Value")
        assert said == ""


def test_folder_that_cannot_be_used_is_told_once(
    runner: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY", "/proc/registry")

    result = runner.invoke(app, ["drivers", "check"])

    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.count("/proc/registry") == 1


# -- bench ------------------------------------------------------------------------------------

BRIEF = ["drivers", "bench", "--seconds", "0.01", "--stream", "1MiB", "--keys", "3"]


def test_bench_measures_what_it_is_asked_to(runner: CliRunner, tmp_path: Path) -> None:
    options = ["--size", "2KiB", "--size", "10", "--concurrency", "3"]

    result = runner.invoke(app, [*BRIEF, *options])

    assert result.exit_code == 0, result.output
    heading, *rows = result.stdout.splitlines()
    assert heading.split()[:2] == ["operation", "size"]
    small = [row.split()[:4] for row in rows if row.startswith(("write", "stat"))]
    assert small == [
        [operation, number, unit, "3"]
        for number, unit in (("2", "KiB"), ("10", "B"))
        for operation in ("write", "stat")
    ]
    assert [row.split()[0] for row in rows[-2:]] == ["upload", "scan"]
    assert files_in(tmp_path) == []


def test_bench_as_json(runner: CliRunner) -> None:
    result = runner.invoke(app, [*BRIEF, "--json", "--concurrency", "1"])

    rows = json.loads(result.stdout)
    assert {row["operation"] for row in rows} >= {"write", "read", "create", "upload", "scan"}
    assert all(row["per_second"] > 0 for row in rows)


@pytest.mark.parametrize("size", ["3kb", "-1", "many", "1.5MiB"])
def test_bench_refuses_what_is_no_size(runner: CliRunner, size: str) -> None:
    result = runner.invoke(app, ["drivers", "bench", f"--size={size}"])

    assert result.exit_code == 2
    assert "is no size" in result.stderr


# -- parameters -------------------------------------------------------------------------------


def test_parameters_are_described(runner: CliRunner) -> None:
    said = runner.invoke(app, ["drivers", "parameters", "filesystem"]).stdout

    assert "rootdirectory  text" in said
    assert "REGISTRY_STORAGE_FILESYSTEM_FSYNC" in said


def test_parameters_as_json_and_markdown(runner: CliRunner) -> None:
    rows = json.loads(runner.invoke(app, ["drivers", "parameters", "filesystem", "--json"]).stdout)
    table = runner.invoke(app, ["drivers", "parameters", "filesystem", "--markdown"]).stdout

    assert [f"`{row['key']}`" for row in rows] == [
        line.split()[1] for line in table.splitlines()[2:]
    ]


def test_parameters_of_an_unknown_driver(runner: CliRunner) -> None:
    result = runner.invoke(app, ["drivers", "parameters", "filesytem"])

    assert result.exit_code == 1
    assert "did you mean 'filesystem'?" in result.stderr


def test_tables_in_a_page_are_renewed(runner: CliRunner, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- parameters: filesystem -->\n<!-- /parameters -->\nafter\n")

    first = runner.invoke(app, ["drivers", "document", str(page)])
    again = runner.invoke(app, ["drivers", "document", str(page)])

    assert (first.exit_code, again.exit_code) == (0, 0)
    assert "`rootdirectory`" in page.read_text()
    assert str(page) in first.stderr
    assert again.output == ""


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<!-- parameters: tpe -->\n<!-- /parameters -->", "no driver named 'tpe'"),
        (b"\xff\xfe", "not UTF-8"),
        (None, "No such file"),
    ],
)
def test_page_that_cannot_be_renewed(
    runner: CliRunner, tmp_path: Path, content: bytes | None, words: str
) -> None:
    page = tmp_path / "page.md"
    if content is not None:
        page.write_bytes(content)

    result = runner.invoke(app, ["drivers", "document", str(page)])

    assert result.exit_code == 1
    assert words in result.stderr


def test_mistyped_command_names_the_nearest(runner: CliRunner) -> None:
    result = runner.invoke(app, ["drivers", "chek"])

    assert result.exit_code == 2
    assert "Did you mean 'check'?" in result.stderr
