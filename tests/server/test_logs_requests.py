"""What is told of a request: the access log, and `response completed`."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from typing import Any

import pytest
from starlette.responses import StreamingResponse
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send

from entrepot.core.configuration import load
from entrepot.core.errors import UnavailableError
from entrepot.server.account import account, current_account
from entrepot.server.app import create_app
from entrepot.server.logs.access import combined, one_json
from entrepot.server.logs.forms import fields_of
from entrepot.server.logs.masking import masked_query, masked_url
from entrepot.server.logs.requests import AnswerBrokenError, RequestLog

Records = Callable[[], list[logging.LogRecord]]


@pytest.fixture
def records(caplog: pytest.LogCaptureFixture) -> Records:
    """What was logged of requests since the beginning of the test."""
    caplog.set_level(logging.INFO, "entrepot")
    return lambda: [each for each in caplog.records if each.name == "entrepot.server.requests"]


def ask(method: str, path: str, app: ASGIApp | None = None, **more: Any) -> list[str]:
    """Lines of the access log of one request to a registry, or to an application given."""
    lines: list[str] = []
    inner = create_app(load(None, {"REGISTRY_STORAGE": "inmemory"}).configuration)
    with TestClient(inner):
        outer = RequestLog(app or inner, combined(lines.append))
        TestClient(outer, base_url="http://registry.test").request(method, path, **more)
    return lines


def test_answer_is_told_with_distributions_fields(records: Records) -> None:
    ask("GET", "/v2/?n=1", headers={"Referer": "http://a.test/", "User-Agent": "docker/1"})

    [told] = records()
    fields = dict(fields_of(told))
    assert (told.levelname, told.getMessage()) == ("INFO", "response completed")
    assert re.fullmatch(r"[0-9a-f-]{36}", fields.pop("http.request.id"))
    assert re.fullmatch(r"\d+\.\d{3}ms", fields.pop("http.response.duration"))
    assert fields == {
        "http.request.method": "GET",
        "http.request.uri": "/v2/?n=1",
        "http.request.remoteaddr": "testclient:50000",
        "http.request.host": "registry.test",
        "http.request.referer": "http://a.test/",
        "http.request.useragent": "docker/1",
        "http.response.status": 200,
        "http.response.written": 2,
        "http.response.contenttype": "application/json",
    }


@pytest.mark.parametrize(
    ("method", "path", "status", "error", "named"),
    [
        ("GET", "/v2/a/manifests/x", 404, "manifest unknown", {"vars.reference": "x"}),
        ("GET", "/v2/a/blobs/sha256:b", 400, "digest invalid", {"vars.digest": "sha256:b"}),
        ("PATCH", "/v2/a/blobs/uploads/u1", 404, "blob upload unknown", {"vars.uuid": "u1"}),
        ("POST", "/v2/a/manifests/x", 405, "unsupported", {"vars.reference": "x"}),
    ],
)
def test_mistake_of_a_client_is_no_error_of_ours(
    records: Records, method: str, path: str, status: int, error: str, named: dict[str, str]
) -> None:
    ask(method, path)

    [told] = records()
    fields = fields_of(told)
    assert (told.levelname, told.getMessage()) == ("INFO", "response completed with error")
    assert fields["http.response.status"] == status
    assert fields["err.code"] == error
    assert fields["err.message"]
    assert {key: fields[key] for key in named} == named
    assert fields["vars.name"] == "a"


def test_silence_below_the_level_asked_for(
    records: Records, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "entrepot")

    assert len(ask("GET", "/v2/")) == 1
    assert records() == []


def test_liveness_is_in_the_access_log_only(records: Records) -> None:
    assert len(ask("GET", "/")) == 1
    assert records() == []


async def broken(scope: Scope, _: Receive, send: Send) -> None:
    """Fails in the middle of its answer, as a store does that goes away."""
    account(scope).kind = "blob"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"12345", "more_body": True})
    error = UnavailableError("a/key", "connection reset")
    error.driver = "s3"
    raise error


def test_answer_broken_off_is_one_line_with_driver_key_and_cause(records: Records) -> None:
    with pytest.raises(AnswerBrokenError):
        ask("GET", "/v2/", broken)

    [told] = records()
    assert told.levelname == "ERROR"
    assert told.exc_info is None
    assert fields_of(told)["err.detail"] == "s3: a/key: connection reset"
    assert fields_of(told)["http.response.written"] == 5


async def naming(scope: Scope, receive: Receive, send: Send) -> None:
    """Logs something on its way."""
    account(scope).user = "ada"
    logging.getLogger("entrepot.core.links").warning("damaged")
    await StreamingResponse(iter(["ab", "c"]))(scope, receive, send)


def test_what_is_logged_on_the_way_names_its_request(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[Any] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(fields_of(record))

    logger = logging.getLogger("entrepot.core.links")
    logger.addHandler(keeper := Keep())
    caplog.set_level(logging.INFO, "entrepot")
    try:
        ask("GET", "/v2/", naming)
    finally:
        logger.removeHandler(keeper)

    [fields] = seen
    assert fields["auth.user.name"] == "ada"
    assert re.fullmatch(r"[0-9a-f-]{36}", fields["http.request.id"])
    assert current_account() is None


@pytest.mark.parametrize(
    ("method", "written"), [("GET", " 200 3 "), ("HEAD", " 200 0 ")], ids=["GET", "HEAD"]
)
def test_access_line_counts_what_was_sent_and_names_the_user(method: str, written: str) -> None:
    [line] = ask(method, "/v2/", naming)

    assert line.startswith("testclient - ada [")
    assert written in line


def test_access_line_in_json() -> None:
    lines: list[str] = []
    client = TestClient(RequestLog(naming, one_json(lines.append)), base_url="http://r.test")
    client.get("/v2/")

    [line] = map(json.loads, lines)
    assert line["http.response.status"] == 200
    assert line["http.response.written"] == 3
    assert line["auth.user.name"] == "ada"
    assert line["http.request.protocol"] == "HTTP/1.1"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", line["time"])


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ("192.0.2.7, 10.0.0.1", "192.0.2.7"),
        ("2001:db8::1", "2001:db8::1"),
        ('evil" level=error', "testclient:50000"),
        ("", "testclient:50000"),
    ],
)
def test_address_behind_proxies(records: Records, forwarded: str, address: str) -> None:
    ask("GET", "/v2/", headers={"X-Forwarded-For": forwarded})

    assert fields_of(records()[0])["http.request.remoteaddr"] == address
    assert "http.request.x" not in "".join(fields_of(records()[0]))


@pytest.mark.parametrize(
    ("query", "masked"),
    [
        ("n=3&last=a", "n=3&last=a"),
        ("digest=sha256:ab&_state=abc", "digest=sha256:ab&_state=******"),
        ("access_token=x&scope=y", "access_token=******&scope=y"),
        ("X-Amz-Signature=a&X-Amz-Date=b", "X-Amz-Signature=******&X-Amz-Date=b"),
        ("X-Amz-Security-Token=a&X-Amz-Credential=b", None),
        ("access%5Ftoken=x&to%6ben=y", "access%5Ftoken=******&to%6ben=******"),
        ("sig=x&design=y", "sig=******&design=y"),
        ("password=a=b&PASSWD=c", "password=******&PASSWD=******"),
        ("token", "token"),
        ("token=", "token="),
    ],
)
def test_secrets_in_queries_are_masked(query: str, masked: str | None) -> None:
    assert masked_query(query) == (masked or "X-Amz-Security-Token=******&X-Amz-Credential=******")


def test_secrets_in_referring_urls_are_masked() -> None:
    assert masked_url("https://me:pw@a.test/x?token=1&n=2") == (
        "https://******@a.test/x?token=******&n=2"
    )
    assert masked_url("https://a.test/x@y") == "https://a.test/x@y"


def test_secret_is_in_no_line(records: Records) -> None:
    [line] = ask("GET", "/v2/?_state=hush", headers={"Authorization": "Basic hush"})

    assert "hush" not in line
    assert "hush" not in json.dumps(fields_of(records()[0]))


@pytest.mark.parametrize("agent", ['x" 200 0 "', "a\tb", "caf\u00e9", "\\", "x" * 9000])
def test_no_client_forges_an_access_line(agent: str) -> None:
    [line] = ask("GET", "/v2/%0Ab%22", headers={"User-Agent": agent.encode("latin-1")})

    assert re.fullmatch(
        r'testclient - - \[[^\]]+\] "GET /v2/%0Ab%22 HTTP/1\.1" 404 \d+ "" "([^"\\]|\\.)*"\n', line
    )
    assert line[:-1].isprintable()
    assert len(line) < 5000
