"""Health, metrics and traces of running registries, against Distribution's own."""

import json
import os
import pprint
import re
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import httpx2
import pytest
from tests.collector import collecting
from tests.real.debugging import debugged, status, until
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
NOT_OURS = {
    "process_network_receive_bytes_total": "of the whole machine, not of the process",
    "process_network_transmit_bytes_total": "of the whole machine, not of the process",
    "process_virtual_memory_max_bytes": "a limit that nobody sets",
}
"""Distribution's metrics that are not here, and why; those of Go and of its exporter besides."""


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


def test_metrics_have_distributions_names_and_labels(
    entrepot_server: StartEntrepot, distribution: StartDistribution, tmp_path: Path
) -> None:
    shapes: list[Mapping[str, set[tuple[tuple[str, str], ...]]]] = []
    types: list[dict[str, str]] = []
    for name in ("ours", "theirs"):
        url, http = debugged()
        storage = {
            "filesystem": {"rootdirectory": str(tmp_path / name)},
            "delete": {"enabled": True},
            "cache": {"blobdescriptor": "inmemory"},
        }
        config = {"http": http, "storage": storage}
        server = entrepot_server(config) if name == "ours" else distribution("3", None, config)
        scenario(server)
        text = httpx2.get(f"{url}/metrics").text
        shapes.append(shape(text))
        types.append(dict(re.findall(r"^# TYPE (registry_\w+) (\w+)$", text, re.MULTILINE)))
    ours, theirs = shapes

    assert {name for name in theirs if name not in ours} == set(NOT_OURS)
    lacking = {
        name: {series for series in theirs[name] - ours[name] if not _differs(name, series)}
        for name in theirs
        if name in ours
    }
    wrong = {name: series for name, series in lacking.items() if series}
    assert not wrong, pprint.pformat(wrong)
    assert types[1].items() <= types[0].items()


def _differs(name: str, series: tuple[tuple[str, str], ...]) -> bool:
    """Whether the two may differ there: in how often the store is asked for what."""
    return name.startswith("registry_storage_action") and bool(series)


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
