"""Traces: when there are any, what is in them, and what is not."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Generator
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send
from tests.collector import Collector, ReceivedSpan, collecting
from tests.server.conftest import Pusher, client_of
from tests.server.observed import until

from entrepot.server.tracing import tracing_of

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
STORAGE = "io.cncf.distribution.storage"


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Generator[Collector, None, None]:
    with collecting() as found:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", found.url)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
        yield found


@pytest.fixture
def client(collector: Collector) -> Generator[TestClient, None, None]:
    assert collector.is_empty()
    with client_of() as found:
        yield found


def spans_of(collector: Collector, name: str) -> list[ReceivedSpan]:
    """The spans up to the first of this name, which is the last of them."""
    found = collector.take(1)
    while found[-1].name != name:
        found += collector.take(1)
    return found


def test_request_with_the_calls_it_made(client: TestClient, collector: Collector) -> None:
    client.get(
        "/v2/a/manifests/x?token=secret",
        headers={
            "traceparent": f"00-{TRACE}-{PARENT}-01",
            "Authorization": "Basic c2VjcmV0",
            "User-Agent": "test/1",
        },
    )

    call, request = spans_of(collector, "GET manifest")
    assert (request.trace, request.parent, request.kind) == (TRACE, PARENT, 2)
    assert not request.failed
    assert request.attributes.pop("entrepot.request.id")
    assert request.attributes == {
        "http.request.method": "GET",
        "http.route": "/v2/{name}/manifests/{reference}",
        "http.response.status_code": 404,
        "url.scheme": "http",
        "url.path": "/v2/a/manifests/x",
        "network.protocol.version": "1.1",
        "server.address": "registry.test",
        "user_agent.original": "test/1",
        "client.address": "testclient",
        "network.peer.address": "testclient",
        "network.peer.port": 50000,
        "entrepot.error.code": "MANIFEST_UNKNOWN",
    }
    assert request.resource["service.name"] == "entrepot"
    assert request.resource["telemetry.sdk.language"] == "python"

    assert (call.name, call.trace, call.parent) == ("GetContent", TRACE, request.id)
    assert not call.failed  # that there is no such object is an answer
    assert call.attributes == {
        f"{STORAGE}.driver.name": "inmemory",
        f"{STORAGE}.path": "/docker/registry/v2/repositories/a/_manifests/tags/x/current/link",
        f"{STORAGE}.content.length": 0,
        "error.type": "NotFoundError",
    }
    assert request.began <= call.began <= call.ended <= request.ended
    assert not [body for body in collector.bodies if b"secret" in body or b"c2VjcmV0" in body]


def test_each_request_has_a_trace_of_its_own(client: TestClient, collector: Collector) -> None:
    Pusher(client).blob("a", b"x")
    client.get("/v2/")

    *calls, push = spans_of(collector, "POST blob_upload")
    [base] = spans_of(collector, "GET base")
    assert {call.trace for call in calls} == {push.trace}
    assert base.trace != push.trace
    assert base.parent == ""


def test_names_do_not_grow_without_bound(client: TestClient, collector: Collector) -> None:
    client.request("BREW", "/v2/")
    client.get("/nowhere/at/all")

    brew, nowhere = collector.take(2)
    assert brew.name == "HTTP base"
    assert brew.attributes["http.request.method_original"] == "BREW"
    assert nowhere.name == "GET"
    assert "http.route" not in nowhere.attributes


def test_trouble_of_the_storage(collector: Collector, tmp_path: Path) -> None:
    root = tmp_path / "root"
    with client_of(STORAGE=f"{{filesystem: {{rootdirectory: {root}}}}}") as client:
        root.rename(tmp_path / "gone")
        client.get("/v2/a/manifests/x")
        call, request = spans_of(collector, "GET manifest")

    assert call.failed
    assert call.attributes["error.type"] == "UnavailableError"
    assert request.failed
    assert request.attributes["error.type"] == "503"


def test_what_no_request_asked_for_is_not_traced(collector: Collector) -> None:
    with client_of(HEALTH_STORAGEDRIVER="{enabled: true}") as client:
        until(lambda: client.get("/readyz").status_code == 200)
    assert "Stat" not in [span.name for span in spans_of(collector, "GET")]
    while not collector.spans.empty():
        assert collector.take(1)[0].name == "GET"


def test_last_spans_are_sent_at_the_end(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "60000")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "hub")
    with client_of() as client:
        client.get("/v2/")

    [span] = collector.take(1)
    assert span.resource["service.name"] == "hub"


def test_collector_that_refuses_is_told_once_and_holds_up_nothing(
    collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    collector.status = 503
    began = time.monotonic()
    with client_of() as client:
        for _ in range(3):
            assert client.get("/v2/").status_code == 200
            until(lambda: bool(collector.bodies))
    assert time.monotonic() - began < 20  # the library itself would wait for 30

    lines = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [record.getMessage() for record in lines if "collector" in record.getMessage()]
    assert len(lines) == 1


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"OTEL_TRACES_EXPORTER": "none"},
        {"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://a"},
        {"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://a"},
        {"OTEL_SERVICE_NAME": "hub"},
    ],
)
def test_nobody_wants_any(environ: dict[str, str], caplog: pytest.LogCaptureFixture) -> None:
    assert tracing_of(environ) is None
    assert not caplog.records


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER=zipkin is unknown; write otlp"),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            "OTEL_EXPORTER_OTLP_PROTOCOL=grpc is not spoken; write http/protobuf",
        ),
    ],
)
def test_what_cannot_be_had_is_told(
    environ: dict[str, str], told: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert tracing_of(environ) is None
    assert told in caplog.text


def test_library_that_is_not_installed_is_told_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.delitem(sys.modules, "entrepot.server.tracing.tracer", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)

    with client_of() as client:
        assert client.get("/v2/").status_code == 200

    assert caplog.text.count("install entrepot[otel]") == 1


def test_path_that_is_no_text_does_not_cost_other_spans(collector: Collector) -> None:
    with client_of() as client:
        app = client.app

        async def odd(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http" and scope["path"] == "/v2/odd":
                scope["path"] = "/v2/\udcff"
            await app(scope, receive, send)

        strange = TestClient(odd)
        strange.get("/v2/odd")
        strange.get("/v2/")
        span, _ = collector.take(2)

    assert span.attributes["url.path"] == "/v2/?"


@pytest.mark.usefixtures("collector")
def test_variable_that_the_library_refuses(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "many")

    with client_of() as client:
        assert client.get("/v2/").status_code == 200

    assert caplog.text.count("no traces: mend the OTEL_* variables") == 1


def test_secrets_of_the_collector_are_not_logged(
    collector: Collector, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    collector.status = 401
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization Bearer secret")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "no-scheme:1")
    with caplog.at_level(logging.INFO), client_of() as client:
        client.get("/v2/")

    assert "secret" not in caplog.text
    assert "does not take them" in caplog.text
