"""Health of running registries: folders, services and stores that fail and come back."""

import socket
import time
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx2
import pytest
from tests.real.backends import Backend
from tests.real.debugging import debugged, status, until
from tests.real.obstacle import Mode, obstacle
from tests.real.registry import Registry
from tests.real.servers import StartDistribution, StartEntrepot, free_port


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


def test_health_page_is_distributions(
    entrepot_server: StartEntrepot, distribution: StartDistribution, tmp_path: Path
) -> None:
    down = tmp_path / "down"
    check = {"health": {"file": [{"file": str(down), "interval": "100ms"}]}}
    pages: list[list[Any]] = []
    for name in ("ours", "theirs"):
        url, http = debugged()
        config = {"http": http, **check}
        server = entrepot_server(config) if name == "ours" else distribution("3", None, config)
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


@pytest.mark.parametrize("backend", ["s3"], indirect=True, scope="module")
def test_store_that_fails_in_every_way(backend: Backend, entrepot_server: StartEntrepot) -> None:
    check = {"enabled": True, "interval": "100ms", "threshold": 2, "timeout": "500ms"}
    modes: tuple[Mode, ...] = ("silent", "gone", "busy", "silent")
    with obstacle(backend.endpoint) as way:
        config = backend.configured(endpoint=way.address)
        server = entrepot_server({**config, "health": {"storagedriver": check}})
        until(lambda: status(f"{server.url}/readyz") == 200, "it is not ready")
        for mode in modes:
            way.become(mode)
            until(lambda: status(f"{server.url}/v2/") == 503, f"{mode}: nobody noticed")
            assert status(f"{server.url}/livez") == 200
            if server.log.read_text().count("fails: ") < len(modes):
                way.become("open")
                until(lambda: status(f"{server.url}/v2/") == 200, f"{mode}: it stays unhealthy")
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < 9, "a look that hangs held up the end"
    log = server.log.read_text()
    assert log.count("is well again") == len(modes) - 1
    assert not [secret for secret in backend.secrets if secret in log]
