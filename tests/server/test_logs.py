"""Who is heard in the log, at which level, and the forms of a line."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Generator
from typing import Any

import pytest
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from entrepot.core.configuration import load
from entrepot.server.logs import logged, set_up_logging
from entrepot.server.logs.forms import LineFormatter, moment
from entrepot.server.logs.output import OutputHandler

LOUD = ("", "entrepot", "_granian", "httpx2")
NASTY = 'a b="c"\r\nlevel=error msg=forged\x1b[31m\x7f \u202e\\'


@pytest.fixture
def levels() -> Generator[None, None, None]:
    """Puts back what `set_up_logging` changes of the process."""
    root = logging.getLogger()
    handlers = root.handlers[:]
    before = {name: logging.getLogger(name).level for name in LOUD}
    yield
    for handler in root.handlers:
        if isinstance(handler, OutputHandler):
            handler.output.close()
    root.handlers[:] = handlers
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


def record(message: str = "hello", **fields: Any) -> logging.LogRecord:
    made = logging.LogRecord("entrepot.x", logging.INFO, "/a/b.py", 7, message, None, None, "f")
    made.created = 1764038213.154076
    made.fields = fields
    return made


@pytest.mark.usefixtures("levels")
@pytest.mark.parametrize(
    ("level", "ours", "libraries"),
    [
        ("debug", logging.DEBUG, logging.WARNING),  # signatures are below
        ("info", logging.INFO, logging.WARNING),
        ("warn", logging.WARNING, logging.WARNING),
        ("error", logging.ERROR, logging.ERROR),
    ],
)
def test_libraries_are_heard_from_warning_on(level: str, ours: int, libraries: int) -> None:
    set_up_logging(load(None, {"REGISTRY_LOG_LEVEL": level}).configuration)

    assert logging.getLogger("entrepot.core.links").getEffectiveLevel() == ours
    assert logging.getLogger("asyncssh.sftp").getEffectiveLevel() == libraries


@pytest.mark.usefixtures("levels")
def test_urls_that_are_asked_for_are_not_logged() -> None:
    set_up_logging(load(None, {"REGISTRY_LOG_LEVEL": "debug"}).configuration)

    assert logging.getLogger("httpx2").getEffectiveLevel() == logging.WARNING


@pytest.mark.usefixtures("levels")
def test_process_without_standard_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    configuration = load(None, {}).configuration

    set_up_logging(configuration)
    logging.getLogger("entrepot").error("nobody hears this")
    client = TestClient(logged(PlainTextResponse("x"), configuration))

    assert client.get("/").text == "x"


def test_text_is_what_distribution_writes() -> None:
    line = LineFormatter("text", {"service": "hub"}).format(
        record("response completed", **{"http.response.status": 200, "vars.name": "a b"})
    )

    assert line == (
        'time="2025-11-25T02:36:53.154076Z" level=info msg="response completed" service=hub '
        'http.response.status=200 vars.name="a b" logger=entrepot.x\n'
    )


def test_json() -> None:
    line = LineFormatter("json", {"service": "hub"}).format(record(number=3, deep={"a": [1]}))

    assert line.endswith("}\n")
    assert json.loads(line) == {
        "time": "2025-11-25T02:36:53.154076Z",
        "level": "info",
        "msg": "hello",
        "service": "hub",
        "number": 3,
        "deep": {"a": [1]},
        "logger": "entrepot.x",
    }


def test_logstash() -> None:
    line = json.loads(LineFormatter("logstash", {}).format(record()))

    assert line == {
        "@version": "1",
        "@timestamp": "2025-11-25T02:36:53.154076Z",
        "level": "info",
        "message": "hello",
        "logger": "entrepot.x",
    }


def test_caller_is_named_where_that_is_wanted() -> None:
    line = json.loads(LineFormatter("json", {}, callers=True).format(record()))

    assert (line["file"], line["func"]) == ("b.py:7", "f")


@pytest.mark.parametrize("form", ["text", "json", "logstash"])
def test_nobody_forges_a_line(form: Any) -> None:
    made = record(NASTY, **{"http.request.uri": NASTY})

    line = LineFormatter(form, {"my key=x\n": NASTY}).format(made)

    assert line.count("\n") == 1
    assert line.endswith("\n")
    assert line[:-1].isascii()
    assert line[:-1].isprintable()
    assert "\x7f" not in line


def test_text_can_be_taken_apart_again() -> None:
    line = LineFormatter("text", {"key": NASTY}).format(record())

    front, _, rest = line.partition(" key=")
    value, end = json.JSONDecoder().raw_decode(rest)
    assert value == NASTY
    assert rest[end:] == " logger=entrepot.x\n"
    assert front.endswith("msg=hello")


@pytest.mark.parametrize(
    ("value", "written"),
    [(True, "true"), (None, "None"), ("", '""'), ([1, "a"], '"[1,\\"a\\"]"'), (1.5, "1.5")],
)
def test_values_of_text(value: Any, written: str) -> None:
    line = LineFormatter("text", {"key": value}).format(record())

    assert f" key={written} " in line


def test_exception_is_one_line() -> None:
    try:
        raise ValueError(NASTY)
    except ValueError:
        made = record()
        made.exc_info = sys.exc_info()

    line = LineFormatter("text", {}).format(made)

    assert "ValueError" in line
    assert line.count("\n") == 1


def test_moment_is_utc_whatever_the_time_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")

    assert moment(0.5) == "1970-01-01T00:00:00.500000Z"
