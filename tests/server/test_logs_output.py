"""Lines on their way out: in order, bounded, and never waited for."""

from __future__ import annotations

import logging
import os
from collections.abc import Generator
from threading import Thread

import pytest

from entrepot.server.logs.forms import LineFormatter
from entrepot.server.logs.output import Output, OutputHandler

PIPE = 64 * 1024  # bytes that a pipe of Linux takes without a reader


@pytest.fixture
def pipe() -> Generator[tuple[int, int], None, None]:
    reading, writing = os.pipe()
    yield reading, writing
    for end in (reading, writing):
        try:
            os.close(end)
        except OSError:
            continue


def read_until(reading: int, end: bytes) -> bytes:
    content = b""
    while not content.endswith(end):
        piece = os.read(reading, PIPE)
        assert piece
        content += piece
    return content


def test_lines_come_in_their_order_from_any_thread(pipe: tuple[int, int]) -> None:
    told: list[str] = []
    output = Output(pipe[1], told.append)

    def put_many(who: int) -> None:
        for number in range(500):
            output.put(f"{who} {number}\n")

    threads = [Thread(target=put_many, args=(each,)) for each in range(4)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    output.put("end\n")
    lines = read_until(pipe[0], b"end\n").decode().splitlines()

    assert len(lines) == 2001
    for each in range(4):
        mine = [int(line.split()[1]) for line in lines[:-1] if line.startswith(f"{each} ")]
        assert mine == list(range(500))
    assert (output.dropped, told) == (0, [])
    output.close()


def test_lines_of_several_processes_do_not_mix(pipe: tuple[int, int]) -> None:
    """Each worker has an output of its own to the same pipe."""
    outputs = [Output(pipe[1], print) for _ in "ab"]
    for number in range(1000):
        for name, output in zip("ab", outputs, strict=True):
            output.put(name * (200 + number % 300) + "\n")

    left, content = 2000, b""
    while content.count(b"\n") < left:
        content += os.read(pipe[0], 1000)  # the pipe is full all the time

    for line in content.splitlines():
        assert len(set(line)) == 1
        assert len(line) >= 200
    for output in outputs:
        output.close()


def test_reader_who_stopped_stops_nobody_and_is_told_what_it_missed(
    pipe: tuple[int, int],
) -> None:
    told: list[str] = []
    output = Output(pipe[1], told.append, bound=2 * PIPE)
    line = "x" * 1023 + "\n"

    for _ in range(1000):  # no reader: a write would wait for ever
        output.put(line)
    dropped = output.dropped

    assert dropped >= 1000 - 3 * PIPE // 1024
    assert told == ["lines are dropped: nobody reads them fast enough"]
    assert not output.flush(0.05)
    content = b""
    while len(content) < (1000 - dropped) * 1024:
        content += os.read(pipe[0], PIPE)
    assert output.flush(10)
    assert content == line.encode() * (1000 - dropped)
    assert told[1:] == [f"{dropped} lines were dropped"]
    output.put("again\n")
    assert read_until(pipe[0], b"again\n") == b"again\n"
    output.close()


def test_reader_who_is_gone_stops_nobody(pipe: tuple[int, int]) -> None:
    told: list[str] = []
    output = Output(pipe[1], told.append)
    os.close(pipe[0])

    for _ in range(3):
        output.put("lost\n")
        assert output.flush(10)

    assert output.dropped == 3
    assert told == ["lines are dropped: they cannot be written"]
    output.close()


def test_report_about_an_output_may_go_to_the_same_output(pipe: tuple[int, int]) -> None:

    def tell(said: str) -> None:
        output.put(f"{said}\n")

    output = Output(pipe[1], tell, bound=2 * PIPE)

    while not output.dropped:
        output.put("x" * 1023 + "\n")
    content = read_until(pipe[0], b"were dropped\n")

    assert content.endswith(b"\n2 lines were dropped\n")
    output.close()


def test_message_that_cannot_be_written_fails_nobody(pipe: tuple[int, int]) -> None:
    handler = OutputHandler(Output(pipe[1], print))
    handler.setFormatter(LineFormatter("text", {}))
    arguments = ("one argument too few",)

    handler.handle(logging.LogRecord("x", logging.INFO, "x.py", 1, "%s %s", arguments, None))

    line = read_until(pipe[0], b"\n").decode()
    assert 'msg="a message that cannot be written: TypeError"' in line
    handler.output.close()


def test_close_writes_what_waits_and_ends_the_thread(pipe: tuple[int, int]) -> None:
    output = Output(pipe[1], print)

    output.put("last\n")
    output.close()

    assert not output.is_alive
    assert os.read(pipe[0], 100) == b"last\n"
