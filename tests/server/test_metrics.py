"""What metrics say of requests, storage, caches; and what is there while they are off."""

from __future__ import annotations

import base64
from collections.abc import Generator
from pathlib import Path
from typing import Any

import bcrypt
import pytest
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send
from tests.server.conftest import Pusher, client_of
from tests.server.observed import Watched, until, watched

from entrepot.core.collecting.collection import Collected
from entrepot.core.collecting.marking import Garbage
from entrepot.core.collecting.sweeping import Swept
from entrepot.core.names import Digest
from entrepot.core.purging import Purged
from entrepot.core.retention import Retained
from entrepot.server.application import Api
from entrepot.server.maintained import Maintained
from entrepot.server.metrics.following import following_maintenance, following_notifications
from entrepot.server.metrics.meters import Metrics
from entrepot.server.notifications.counts import Counts

pytestmark = pytest.mark.anyio
MIB = 1024 * 1024


@pytest.fixture
def site() -> Generator[Watched, None, None]:
    with watched() as found:
        yield found


def test_requests_by_handler_method_and_code(site: Watched) -> None:
    digest, _ = Pusher(site.client).image("a", "x")
    for method, path in [
        ("GET", "/v2/"),
        ("GET", "/v2/a/manifests/x"),
        ("HEAD", "/v2/a/manifests/x"),
        ("GET", "/v2/a/manifests/none"),
        ("GET", "/v2/a/tags/list"),
        ("GET", "/v2/_catalog"),
        ("GET", f"/v2/a/referrers/{digest}"),
        ("DELETE", "/v2/a/blobs/sha256:0"),
        ("BREW", "/v2/a/tags/list"),
        ("GET", "/nowhere"),
        ("GET", "/"),
    ]:
        site.client.request(method, path)

    found = site.samples()["registry_http_requests_total"]
    assert {tuple(value for _, value in labels): count for labels, count in found.items()} == {
        ("200", "base", "get"): 1,
        ("200", "manifest", "get"): 1,
        ("200", "manifest", "head"): 1,
        ("404", "manifest", "get"): 1,
        ("201", "manifest", "put"): 1,
        ("201", "blob_upload", "post"): 1,
        ("200", "tags", "get"): 1,
        ("405", "tags", "unknown"): 1,
        ("200", "catalog", "get"): 1,
        ("200", "referrers", "get"): 1,
        ("400", "blob", "delete"): 1,
    }


def test_durations_and_sizes(site: Watched) -> None:
    content = bytes(3 * MIB)
    digest = Pusher(site.client).blob("a", content)
    site.client.get(f"/v2/a/blobs/{digest}")
    site.client.get(f"/v2/a/blobs/{digest}", headers={"Range": "bytes=0-99"})

    sizes = site.value("registry_http_request_size_bytes_sum", handler="blob_upload")
    assert 3 * MIB < sizes < 3 * MIB + 2000
    assert site.value("registry_http_received_bytes_total", handler="blob_upload") == 3 * MIB
    assert site.value("registry_http_response_size_bytes_sum", handler="blob") == 3 * MIB + 100
    assert site.value("registry_http_sent_bytes_total", handler="blob") == 3 * MIB + 100
    name = "registry_http_request_duration_seconds_count"
    assert site.value(name, handler="blob", method="get") == 2
    bucket = "registry_http_request_size_bytes_bucket"
    assert site.value(bucket, handler="blob_upload", le="4.194304e+06") == 1
    assert site.value(bucket, handler="blob_upload", le="2.097152e+06") == 0


async def test_file_that_the_server_sends_by_itself_counts_as_sent() -> None:
    metrics = Metrics()

    async def app(_: Scope, __: Receive, send: Send) -> None:
        headers = [(b"content-type", b"x/y"), (b"content-length", b"3000000")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.pathsend", "path": "/file"})

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope: Scope = {
        "type": "http", "method": "GET", "path": "/x", "query_string": b"", "headers": []
    }  # fmt: skip
    await metrics.measured(app, lambda _: "blob")(scope, nothing, send)

    assert [message["type"] for message in sent][1:] == ["http.response.pathsend"]
    labels = {"handler": "blob"}
    for name in ("registry_http_sent_bytes_total", "registry_http_response_size_bytes_sum"):
        assert metrics.registry.get_sample_value(name, labels) == 3_000_000


async def test_requests_under_way() -> None:
    metrics = Metrics()
    seen: list[float | None] = []

    def in_flight() -> float | None:
        labels = {"handler": "blob"}
        return metrics.registry.get_sample_value("registry_http_in_flight_requests", labels)

    async def app(*_: object) -> None:
        seen.append(in_flight())
        raise ClientDisconnect

    scope: Scope = {
        "type": "http",
        "method": "GET",
        "path": "/x",
        "query_string": b"",
        "headers": [],
    }
    with pytest.raises(ClientDisconnect):
        await metrics.measured(app, lambda _: "blob")(scope, nothing, nothing)

    assert seen == [1]
    assert in_flight() == 0
    labels = {"handler": "blob", "method": "get", "code": "499"}
    assert metrics.registry.get_sample_value("registry_http_requests_total", labels) == 1


async def nothing(*_: object) -> Any:
    raise AssertionError


def test_storage_by_action(site: Watched) -> None:
    push = Pusher(site.client)
    digest = push.blob("a", bytes(3 * MIB))
    site.client.get(f"/v2/a/blobs/{digest}")
    site.client.get("/v2/a/manifests/none")

    def count(action: str) -> float:
        name = "registry_storage_action_seconds_count"
        return site.value(name, action=action, driver="inmemory")

    assert count("Writer") == 1  # the blob
    assert count("PutContent") == 1  # its link
    assert count("Reader") == 1  # the blob
    assert count("GetContent") == 3  # its link, the tag's, the switch to read-only
    assert count("Stat") >= 1
    assert site.value("registry_storage_written_bytes_total", driver="inmemory") > 3 * MIB
    assert site.value("registry_storage_read_bytes_total", driver="inmemory") > 3 * MIB
    assert "registry_storage_errors_total" not in site.samples()  # nothing failed


def test_failures_of_the_storage(tmp_path: Path) -> None:
    root = tmp_path / "root"
    with watched(STORAGE=f"{{filesystem: {{rootdirectory: {root}}}}}") as site:
        root.rename(tmp_path / "gone")
        assert site.client.get("/v2/a/manifests/x").status_code == 503
        labels = {"driver": "filesystem", "action": "GetContent", "error": "unavailable"}
        assert site.value("registry_storage_errors_total", **labels) == 1


def test_client_that_sends_what_it_did_not_promise_is_no_failure_of_the_storage(
    site: Watched,
) -> None:
    answer = site.client.post(f"/v2/a/blobs/uploads/?digest=sha256:{'0' * 64}", content=b"x")

    assert answer.json()["errors"][0]["code"] == "DIGEST_INVALID"
    assert "registry_storage_errors_total" not in site.samples()


def test_caches(site: Watched) -> None:
    Pusher(site.client).image("a", "x")
    for _ in range(3):
        site.client.get("/v2/a/manifests/x")

    assert site.value("registry_cache_requests_total", cache="manifest") == 3
    assert site.value("registry_cache_hits_total", cache="manifest") == 2
    assert site.value("registry_storage_cache_requests_total") == 3
    assert site.value("registry_storage_cache_hits_total") == 2
    assert site.value("registry_storage_cache_errors_total") == 0


def test_descriptor_cache() -> None:
    with watched(STORAGE="{inmemory: , cache: {blobdescriptor: inmemory}}") as site:
        digest = Pusher(site.client).blob("a", bytes(3 * MIB))
        for _ in range(3):
            site.client.get(f"/v2/a/blobs/{digest}")
        requests = site.value("registry_cache_requests_total", cache="descriptor")
        hits = site.value("registry_cache_hits_total", cache="descriptor")
        assert 0 < hits < requests


def test_notifications() -> None:
    metrics, counts = Metrics(), Counts()
    follow = following_notifications(metrics.notifications, counts)

    def value(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(name, {"endpoint": "hook"} | labels)

    hook = counts.of("hook")
    hook.events, hook.successes, hook.failures, hook.pending, hook.dead = 5, 2, 1, 2, 1
    hook.statuses["200 OK"] = 2
    follow()
    hook.events, hook.pending = 6, 0
    follow()
    follow()

    assert value("registry_notifications_events_total", type="Events") == 6
    assert value("registry_notifications_events_total", type="Successes") == 2
    assert value("registry_notifications_events_total", type="Failures") == 1
    assert value("registry_notifications_events_total", type="Errors") == 0
    assert value("registry_notifications_status_total", code="200 OK") == 2
    assert value("registry_notifications_pending_total") == 0
    assert value("registry_notifications_dead_letters") == 1


def test_maintenance() -> None:
    metrics, maintained = Metrics(), Maintained()
    follow = following_maintenance(metrics.maintenance, maintained)
    value = metrics.registry.get_sample_value
    blob = Garbage("blob", "", Digest.of(b""), 700, "no repository needs it")

    follow()
    assert value("registry_garbage_objects_total", {"kind": "blob", "outcome": "kept"}) == 0
    maintained.purged(Purged(seen=9, removed=3, failed=1))
    maintained.retained(Retained(seen=9, removed=2, failed=0))
    maintained.swept(Swept(deleted=[blob, blob], kept=[blob], failed=[]))
    maintained.collected(Collected(run="r", is_ended=False))
    maintained.collected(Collected())
    follow()
    follow()

    assert value("registry_uploads_purged_total", {"outcome": "removed"}) == 3
    assert value("registry_uploads_purged_total", {"outcome": "failed"}) == 1
    assert value("registry_tags_expired_total", {"outcome": "removed"}) == 2
    assert value("registry_garbage_collections_total", {"outcome": "left"}) == 1
    assert value("registry_garbage_collections_total", {"outcome": "ended"}) == 0
    assert value("registry_garbage_objects_total", {"kind": "blob", "outcome": "deleted"}) == 2
    assert value("registry_garbage_objects_total", {"kind": "blob", "outcome": "kept"}) == 1
    assert value("registry_garbage_freed_bytes_total") == 1400


def test_uploads(site: Watched) -> None:
    def begin() -> str:
        return str(site.client.post("/v2/a/blobs/uploads/").headers["location"])

    begin()
    site.client.delete(begin())
    digest = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    assert site.client.put(f"{begin()}&digest={digest}", content=b"hello").status_code == 201
    Pusher(site.client).blob("a", b"at once")

    assert site.value("registry_uploads_total", event="started") == 3
    assert site.value("registry_uploads_total", event="finished") == 1
    assert site.value("registry_uploads_total", event="cancelled") == 1
    assert site.value("registry_uploads_open") == 1


def test_refusals(tmp_path: Path) -> None:
    path = tmp_path / "htpasswd"
    path.write_text(f"a:{bcrypt.hashpw(b'right', bcrypt.gensalt(4)).decode()}\n")

    with watched(AUTH=f"{{htpasswd: {{realm: r, path: {path}}}}}") as site:
        for password in ("right", "wrong", "wrong", None):
            shown = base64.b64encode(f"a:{password}".encode()).decode()
            headers = {"Authorization": f"Basic {shown}"} if password else {}
            site.client.get("/v2/", headers=headers)
        assert site.value("registry_auth_refusals_total", reason="missing") == 1
        assert site.value("registry_auth_refusals_total", reason="wrong") == 2


def test_health(site: Watched, tmp_path: Path) -> None:
    path = tmp_path / "down"
    path.touch()
    with watched(HEALTH_FILE=f"[{{file: {path}}}]") as sick:
        until(lambda: sick.client.get("/v2/").status_code == 503)
        assert sick.value("registry_health_checks_failing") == 1
    assert site.value("registry_health_checks_failing") == 0


def test_every_handler_has_its_gauge_before_its_first_request(site: Watched) -> None:
    found = site.samples()["registry_http_in_flight_requests"]

    assert {labels[0][1] for labels in found} >= {
        "base", "blob", "blob_upload", "blob_upload_chunk", "catalog", "manifest", "tags",
        "referrers", "auth",
    }  # fmt: skip


def test_forms(site: Watched) -> None:
    plain = site.debug.get("/metrics")
    assert plain.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "_created" not in plain.text

    accept = "application/openmetrics-text; version=1.0.0"
    modern = site.debug.get("/metrics", headers={"Accept": accept})
    assert modern.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert modern.text.endswith("# EOF\n")


@pytest.mark.parametrize("path", ["/", "/debug/vars", "/debug/pprof/", "/debug/pprof/heap", "/v2/"])
def test_pages_that_are_not_here(site: Watched, path: str) -> None:
    assert site.debug.get(path).status_code == 404


def test_pages_are_for_reading(site: Watched) -> None:
    for path in ("/debug/health", "/metrics"):
        assert site.debug.head(path).status_code == 200
        assert site.debug.post(path).status_code == 405


def test_another_path() -> None:
    with watched(HTTP_DEBUG_PROMETHEUS_PATH="/internal/metrics") as site:
        assert site.debug.get("/internal/metrics").status_code == 200
        assert site.debug.get("/metrics").status_code == 404


def test_nothing_is_put_in_the_way_while_they_are_off() -> None:
    app = client_of().app

    assert isinstance(app, Starlette)
    assert isinstance(app.router.default, Api)
    with watched(HTTP_DEBUG_PROMETHEUS_ENABLED="false") as site:
        assert site.debug.get("/metrics").status_code == 404
        assert site.debug.get("/debug/health").status_code == 200
