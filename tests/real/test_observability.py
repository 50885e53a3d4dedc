"""Health, metrics and traces of running registries, against Distribution's own."""

import json
import os
import pprint
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx2
import pytest
from tests.collector import collecting
from tests.real.programs import clean_environment
from tests.real.registry import ACCEPT, Registry
from tests.real.servers import (
    Server,
    StartDistribution,
    StartEntrepot,
    answers,
    entrepot_command,
    free_port,
)
from tests.server.observed import samples_of

SHIPPED = Path(__file__).parents[1] / "core" / "configuration" / "shipped"
SECONDS = 20.0
NOT_OURS = {
    "process_network_receive_bytes_total": "of the whole machine, not of the process",
    "process_network_transmit_bytes_total": "of the whole machine, not of the process",
    "process_virtual_memory_max_bytes": "a limit that nobody sets",
}
"""Distribution's metrics that are not here, and why; those of Go and of its exporter besides."""


def until(true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def status(url: str) -> int:
    return httpx2.get(url, timeout=10).status_code


def debugged(**more: Any) -> tuple[str, dict[str, object]]:
    """The URL of the debug pages, and a section `http` that has them."""
    address = f"127.0.0.1:{free_port()}"
    return f"http://{address}", {
        "debug": {"addr": address, "prometheus": {"enabled": True}},
        **more,
    }


@pytest.mark.parametrize("version", ["2", "3"])
def test_configuration_of_distributions_image_starts_as_it_is(version: str, tmp_path: Path) -> None:
    address, debug = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    variables = {
        "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": str(tmp_path / "root"),
        "REGISTRY_HTTP_ADDR": address,
    } | ({"REGISTRY_HTTP_DEBUG_ADDR": debug} if version == "3" else {})
    command = [*entrepot_command(), "serve", str(SHIPPED / f"image-{version}.yml")]
    log = tmp_path / "log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command, env=clean_environment() | variables, stdout=output, stderr=output
        ) as process,
    ):
        try:
            until(lambda: answers(f"http://{address}/v2/"), "it does not answer")
            with Registry(f"http://{address}") as registry:
                digest = registry.push_image("a/b", "1", [b"layer"])
                assert registry.digest("a/b", "1") == digest
            until(lambda: status(f"http://{address}/readyz") == 200, "it is not ready")
            if version == "3":
                assert status(f"http://{debug}/debug/health") == 200
                assert "registry_http_requests_total" in httpx2.get(f"http://{debug}/metrics").text
        finally:
            process.terminate()
    assert process.returncode == 0
    assert "level=error" not in log.read_text()


def test_folder_that_vanishes_and_comes_back(entrepot_server: StartEntrepot) -> None:
    url, http = debugged()
    check = {"enabled": True, "interval": "100ms", "threshold": 2}
    server = entrepot_server({"http": http, "health": {"storagedriver": check}})
    with Registry(server.url) as registry:
        digest = registry.push_image("a", "1", [b"layer"])
    gone = server.root.with_name("gone")

    server.root.rename(gone)
    until(lambda: status(f"{server.url}/") == 503, "nobody noticed")
    told = httpx2.get(f"{server.url}/v2/a/manifests/1")
    assert told.status_code == 503
    assert told.json()["errors"][0]["detail"] == "health check failed: please see /debug/health"
    assert status(f"{server.url}/livez") == 200
    assert httpx2.get(f"{server.url}/readyz").text == "unhealthy\n"
    shown = httpx2.get(f"{url}/debug/health")
    assert shown.status_code == 503
    assert str(server.root) not in shown.text
    assert list(shown.json()) == ["storagedriver_filesystem"]

    gone.rename(server.root)
    until(lambda: status(f"{server.url}/") == 200, "it stays unhealthy")
    with Registry(server.url) as registry:
        assert registry.digest("a", "1") == digest
    assert httpx2.get(f"{url}/debug/health").json() == {}
    lines = [line for line in server.log.read_text().splitlines() if 'msg="health check' in line]
    assert len(lines) == 2
    assert "the root folder is gone" in lines[0]


@contextmanager
def downstream(port: int, state: dict[str, int]) -> Generator[None, None, None]:
    """A service on this port that answers HEAD with the status in `state`."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            state["asked"] = int(self.headers["X-Check"] or 0)
            self.send_response(state["status"])
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
            return

    service = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    thread = Thread(target=service.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        service.shutdown()
        thread.join()
        service.server_close()


def test_services_and_files_that_are_looked_at(
    entrepot_server: StartEntrepot, tmp_path: Path
) -> None:
    web, tcp, down = free_port(), free_port(), tmp_path / "down"
    state = {"status": 200}
    often = {"interval": "100ms"}
    uri = f"http://user:hidden@127.0.0.1:{web}/live?key=hidden"
    health = {
        "http": [{"uri": uri, "headers": {"X-Check": ["7"]}, **often}],
        "tcp": [{"addr": f"127.0.0.1:{tcp}", **often}],
        "file": [{"file": str(down), **often}],
    }
    url, http = debugged()
    with socket.create_server(("127.0.0.1", tcp)), downstream(web, state):
        server = entrepot_server({"http": http, "health": health})
        page = f"{url}/debug/health"
        until(lambda: status(f"{server.url}/readyz") == 200, "it is not ready")
        assert state["asked"] == 7

        state["status"] = 404
        until(lambda: status(page) == 503, "the URL's status was not seen")
        assert httpx2.get(page).json() == {
            f"http://127.0.0.1:{web}/live": "downstream service returned unexpected status: 404"
        }
        state["status"] = 200
        until(lambda: status(page) == 200, "the URL's status was not seen")

        down.touch()
        until(lambda: status(page) == 503, "the file was not seen")
        assert httpx2.get(page).json() == {str(down): "file exists"}
        down.unlink()
        until(lambda: status(page) == 200, "that the file is gone was not seen")
    until(lambda: len(httpx2.get(page).json()) == 2, "that both are gone was not seen")
    assert httpx2.get(page).json() == {
        f"http://127.0.0.1:{web}/live": f"error while checking: http://127.0.0.1:{web}/live",
        f"127.0.0.1:{tcp}": f"connection to 127.0.0.1:{tcp} failed",
    }
    assert "hidden" not in server.log.read_text()


def scenario(server: Server) -> None:
    """Requests of every kind, good ones and bad ones."""
    with Registry(server.url) as registry:
        layer = registry.push_blob("a/b", b"other")
        digest = registry.push_image("a/b", "1", [b"layer" * 1000])
        registry.verify("a/b", digest)
        registry.manifest("a/b", "none")
        registry.tags("a/b")
        registry.tags("none")
        for method, path in [
            ("GET", "/v2/"),
            ("GET", "/v2/_catalog"),
            ("HEAD", "/v2/a/b/manifests/1"),
            ("HEAD", f"/v2/a/b/blobs/{layer}"),
            ("BREW", "/v2/a/b/tags/list"),
            ("GET", "/nowhere"),
        ]:
            registry.http.request(method, path, headers={"Accept": ACCEPT})
        location = registry.begin_upload("a/b")
        location = registry.http.patch(location, content=b"x").headers["Location"]
        registry.http.get(location)
        registry.http.delete(location)
        registry.delete("a/b", digest)


def shape(text: str) -> Mapping[str, set[tuple[tuple[str, str], ...]]]:
    """Names of metrics and the labels of their series."""
    return {
        name: set(series)
        for name, series in samples_of(text).items()
        if not name.startswith(("go_", "promhttp_"))
    }


Start = Callable[[Mapping[str, object]], Server]


@pytest.fixture
def both(entrepot_server: StartEntrepot, distribution: StartDistribution) -> tuple[Start, Start]:
    """How ours is started, and how Distribution is."""

    def theirs(config: Mapping[str, object]) -> Server:
        return distribution("3", None, config)

    return entrepot_server, theirs


def test_metrics_have_distributions_names_and_labels(
    both: tuple[Start, Start], tmp_path: Path
) -> None:
    shapes: list[Mapping[str, set[tuple[tuple[str, str], ...]]]] = []
    for number, start in enumerate(both):
        url, http = debugged()
        storage = {
            "filesystem": {"rootdirectory": str(tmp_path / str(number))},
            "delete": {"enabled": True},
            "cache": {"blobdescriptor": "inmemory"},
        }
        scenario(start({"http": http, "storage": storage}))
        shapes.append(shape(httpx2.get(f"{url}/metrics").text))
    ours, theirs = shapes

    assert {name for name in theirs if name not in ours} == set(NOT_OURS)
    lacking = {
        name: {series for series in theirs[name] - ours[name] if not _differs(name, series)}
        for name in theirs
        if name in ours
    }
    wrong = {name: series for name, series in lacking.items() if series}
    assert not wrong, pprint.pformat(wrong)


def _differs(name: str, series: tuple[tuple[str, str], ...]) -> bool:
    """Whether the two may differ there: in how often the store is asked for what."""
    return name.startswith("registry_storage_action") and bool(series)


def test_health_page_is_distributions(both: tuple[Start, Start], tmp_path: Path) -> None:
    down = tmp_path / "down"
    check = {"health": {"file": [{"file": str(down), "interval": "100ms"}]}}
    pages: list[list[Any]] = []
    for start in both:
        url, http = debugged()
        server = start({"http": http, **check})
        seen: list[Any] = [_page(f"{url}/debug/health")]
        down.touch()
        while status(f"{url}/debug/health") == 200:
            time.sleep(0.02)
        seen += [_page(f"{url}/debug/health"), _page(f"{server.url}/"), _page(f"{server.url}/x")]
        down.unlink()
        pages.append(seen)

    assert pages[0] == pages[1]


def _page(url: str) -> tuple[int, str, Any]:
    answer = httpx2.get(url)
    return answer.status_code, answer.headers["content-type"], answer.json()


def test_metrics_and_health_of_several_workers(
    entrepot_server: StartEntrepot, tmp_path: Path
) -> None:
    url, http = debugged(workers=2)
    down = tmp_path / "down"
    check = {"file": [{"file": str(down), "interval": "100ms"}]}
    server = entrepot_server({"http": http, "health": check})
    labels = (("code", "200"), ("handler", "catalog"), ("method", "get"))

    def count() -> float:
        found = samples_of(httpx2.get(f"{url}/metrics").text)
        return found["registry_http_requests_total"].get(labels, 0.0)

    for _ in range(20):  # each on a connection of its own, so on any worker
        assert status(f"{server.url}/v2/_catalog") == 200
    until(lambda: count() == 20, "not all were counted")

    for worker in _children(server.pid):
        os.kill(worker, signal.SIGKILL)
    until(lambda: answers(f"{server.url}/v2/_catalog"), "no worker came back")
    assert count() >= 21
    assert status(f"{url}/debug/health") == 200

    down.touch()
    until(lambda: status(f"{url}/debug/health") == 503, "the file was not seen")
    down.unlink()
    until(lambda: status(f"{url}/debug/health") == 200, "that the file is gone was not seen")


def _children(process: int) -> list[int]:
    text = Path(f"/proc/{process}/task/{process}/children").read_text()
    return [int(number) for number in text.split()]


def test_traces_go_to_the_collector(entrepot_server: StartEntrepot) -> None:
    with collecting() as collector:
        env = {
            "OTEL_TRACES_EXPORTER": "otlp",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_BSP_SCHEDULE_DELAY": "50",
        }
        server = entrepot_server(env=env)
        with Registry(server.url) as registry:
            registry.http.headers["traceparent"] = f"00-{'a' * 32}-{'b' * 16}-01"
            registry.push_image("a", "1", [b"layer" * 1000])
        server.stop()

    spans = [collector.spans.get_nowait() for _ in range(collector.spans.qsize())]
    mine = [span for span in spans if span.trace == "a" * 32]
    names = {span.name for span in mine}
    assert names >= {"POST blob_upload", "PUT blob_upload_chunk", "PUT manifest", "PutContent"}
    by_id = {span.id: span for span in mine}
    for span in mine:
        assert span.parent == "b" * 16 or by_id[span.parent].kind == 2


def test_collector_that_is_not_there_costs_a_line(entrepot_server: StartEntrepot) -> None:
    env = {
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{free_port()}",
        "OTEL_BSP_SCHEDULE_DELAY": "50",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
    }
    server = entrepot_server(env=env)
    told = re.compile(r"the collector of traces does not take them")
    for _ in range(3):
        assert status(f"{server.url}/v2/") == 200
        until(lambda: bool(told.search(server.log.read_text())), "nobody was told")
    began = time.monotonic()
    server.stop()

    assert time.monotonic() - began < 8
    log = server.log.read_text()
    assert len(told.findall(log)) == 1
    assert "Traceback" not in log
    assert "opentelemetry" not in log
    assert json.loads(server.config_file.read_text())["version"] == 0.1
