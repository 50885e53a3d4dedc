"""Progress of long commands: on standard error alone; and how a signal ends one."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys

import pytest

from entrepot.server.cli import progress as module
from entrepot.server.cli.figures import amount, duration
from entrepot.server.cli.progress import progress

SHOWS = """
from entrepot.server.cli import progress as module
module._REDRAWN = 0.0
with module.progress("copying blobs", unit="bytes", total=4096) as bar:
    bar.advance(1024)
    print("result")
    bar.advance(1024)
"""
WAITS = """
import asyncio
import typer
from entrepot.server.cli.interrupting import resumable

async def work():
    try:
        print("waiting", flush=True)
        await asyncio.sleep(60)
    finally:
        print("cleaned up", flush=True)

def command():
    resumable(work(), "run it again to go on")

typer.run(command)
"""


def start(script: str, stderr: int = subprocess.PIPE) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", script]
    environ = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    return subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=stderr, text=True, env=environ
    )


def test_short_work_tells_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("looking", unit="blobs") as bar:
        bar.advance()

    assert capsys.readouterr() == ("", "")


def test_lines_where_there_is_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "_LINE", 0.0)

    with progress("looking", unit="blobs") as bar:
        bar.advance(1_500)
        bar.total = 3_000
        bar.advance(0)

    told = capsys.readouterr()
    assert told.out == ""
    first, second = told.err.splitlines()
    assert first.startswith("looking: 1,500 blobs, ")
    assert first.endswith(" blobs/s")
    assert second.startswith("looking: 1,500 blobs of 3,000 blobs, ")
    assert second.endswith(" s left")


def test_lines_of_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(module, "_LINE", 0.0)

    with progress("copying", unit="bytes", as_json=True) as bar:
        bar.advance(10)

    told = capsys.readouterr()
    assert told.out == ""
    figures = json.loads(told.err)["progress"]
    assert figures.pop("seconds") >= 0
    assert figures == {"work": "copying", "bytes": 10, "total": None}


def test_bar_on_a_terminal_leaves_standard_output_alone() -> None:
    ours, theirs = pty.openpty()
    with start(SHOWS, stderr=theirs) as process:
        os.close(theirs)
        drawn = b""
        while b"2.0 KiB of 4.0 KiB" not in drawn:
            drawn += os.read(ours, 4096)
        said, _ = process.communicate(timeout=30)
    os.close(ours)

    assert said == "result\n"
    assert b"copying blobs" in drawn
    assert b"result" not in drawn


@pytest.mark.parametrize(
    ("signalled", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["INT", "TERM"]
)
def test_signal_ends_work_that_can_be_continued(signalled: signal.Signals, code: int) -> None:
    with start(WAITS) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(signalled)
        said, told = process.communicate(timeout=30)

    assert process.returncode == code
    assert said == "cleaned up\n"
    assert told == "interrupted: run it again to go on\n"


@pytest.mark.parametrize(
    ("number", "unit", "shown"),
    [
        (0, "bytes", "0 B"),
        (1023, "bytes", "1023 B"),
        (1536, "bytes", "1.5 KiB"),
        (2**50 * 3, "bytes", "3072.0 TiB"),
        (1_234_567, "blobs", "1,234,567 blobs"),
    ],
)
def test_amounts(number: int, unit: str, shown: str) -> None:
    assert amount(number, unit) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.4, "0 s"), (119, "119 s"), (120, "2 min"), (7_199.9, "119 min"), (172_800, "2 d")],
)
def test_durations(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown
