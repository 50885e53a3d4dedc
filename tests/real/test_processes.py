"""Processes of our server as operators meet them: workers, signals, sockets from systemd."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from functools import partial
from pathlib import Path

import pytest
from tests.real.programs import clean_environment
from tests.real.registry import Registry, hexadecimal
from tests.real.servers import (
    Server,
    StartEntrepot,
    default_config,
    entrepot_command,
    free_port,
)
from tests.real.test_listeners import MIB, children, ready, wait_until

SECONDS = 60.0


def started(
    folder: Path, config: dict[str, object], *before: str
) -> subprocess.CompletedProcess[str]:
    """A server that must end by itself."""
    file = folder / "config.yml"
    file.write_text(json.dumps(config))
    return subprocess.run(
        [*before, *entrepot_command(), "serve", str(file)],
        env=clean_environment(),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def configured(folder: Path, **http: object) -> dict[str, object]:
    address = f"127.0.0.1:{free_port()}"
    return default_config(folder / "root", address) | {"http": {"addr": address} | http}


def test_failed_start_of_workers_is_told_once(tmp_path: Path) -> None:
    config = configured(tmp_path, workers=3)
    (tmp_path / "root").write_text("a file where the folder should be")

    ended = started(tmp_path, config)

    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    [line] = ended.stderr.splitlines()
    assert line.startswith("error: filesystem: ")


@pytest.mark.parametrize("workers", [1, 2])
def test_address_in_use_is_one_line(workers: int, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        config = configured(tmp_path, workers=workers, debug={"addr": address})

        ended = started(tmp_path, config)

    assert ended.returncode == 1
    told = f"error: http.debug.addr: cannot listen on {address}: Address already in use"
    assert ended.stderr.splitlines() == [told]


def test_workers_end_with_the_process_above(entrepot_server: StartEntrepot) -> None:
    server = ready(entrepot_server({"http": {"workers": 2}}))
    workers = children(server)

    os.kill(server.pid, signal.SIGKILL)

    wait_until(lambda: not any(map(is_alive, workers)), "a worker goes on alone")


def has_said(server: Server, words: str) -> bool:
    """Whether the server's log has these words."""
    return words in server.log_tail(10**9)


def is_alive(process: int) -> bool:
    """Whether a process exists and is more than an entry in a table."""
    try:
        return Path(f"/proc/{process}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


def test_worker_that_dies_again_and_again_is_waited_for(entrepot_server: StartEntrepot) -> None:
    server = ready(entrepot_server({"http": {"workers": 2}}))
    for wait in ("0 s", "1 s"):
        [*_, last] = children(server)
        os.kill(last, signal.SIGKILL)
        wait_until(partial(has_said, server, f"is started in {wait}"), "nothing is said")
        for _ in range(5):  # the others serve all
            assert urllib.request.urlopen(f"{server.url}/v2/", timeout=10).status == 200
        wait_until(lambda: len(children(server)) == 2, "it is not started again")
        wait_until(lambda: server.log_tail().count("serves again") > 0, "it does not serve")


@pytest.mark.parametrize("workers", [1, 2])
def test_debug_listener_serves_its_pages_and_nothing_else(
    workers: int, entrepot_server: StartEntrepot
) -> None:
    debug = f"127.0.0.1:{free_port()}"
    pages = {"addr": debug, "prometheus": {"enabled": True}}
    server = ready(entrepot_server({"http": {"workers": workers, "debug": pages}}))
    with Registry(server.url) as registry:
        registry.push_blob("a", b"content")

    assert get(f"http://{debug}/debug/health") == (200, "{}")
    status, text = get(f"http://{debug}/metrics")
    assert status == 200
    assert "registry_http_requests_total" in text
    for path in ("/v2/", f"/v2/a/blobs/{hexadecimal(b'content')}", "/v2/_catalog", "/"):
        assert get(f"http://{debug}{path}")[0] == 404
    for path in ("/metrics", "/debug/health"):
        assert get(f"{server.url}{path}")[0] == 404
    server.stop()
    assert not list(Path(os.environ.get("TMPDIR", "/tmp")).glob(f"entrepot-{server.pid}-*"))


def get(url: str) -> tuple[int, str]:
    """Status and text of an answer."""
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.mark.parametrize("workers", [1, 2])
def test_socket_of_systemd_is_taken_instead_of_the_address(workers: int, tmp_path: Path) -> None:
    """As systemd does it: descriptor 3, and two variables."""
    config = configured(tmp_path, workers=workers, addr="127.0.0.1:1")
    file = tmp_path / "config.yml"
    file.write_text(json.dumps(config))
    script = (
        "import os, sys; os.dup2(int(sys.argv[1]), 3); os.environ['LISTEN_FDS'] = '1'; "
        "os.environ['LISTEN_PID'] = str(os.getpid()); os.execv(sys.argv[2], sys.argv[2:])"
    )
    with socket.create_server(("127.0.0.1", 0)) as passed:
        port = passed.getsockname()[1]
        before = [sys.executable, "-c", script, str(passed.fileno())]
        log = tmp_path / "log"
        with (
            log.open("wb") as said,
            subprocess.Popen(
                [*before, *entrepot_command(), "serve", str(file)],
                env=clean_environment(),
                pass_fds=[passed.fileno()],
                stderr=said,
            ) as process,
        ):
            told = f"listening on 127.0.0.1:{port}"
            wait_until(lambda: told in log.read_text(), "it does not listen")
            answer = get(f"http://127.0.0.1:{port}/v2/")
            process.terminate()
    assert answer == (200, "{}")
    assert process.returncode == 0
    assert "Traceback" not in log.read_text()


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("drain", ["30s", "300ms"])
def test_stop_in_the_middle_of_a_push(
    workers: int, drain: str, entrepot_server: StartEntrepot
) -> None:
    """It is finished in the time to drain, or broken off; what is stored is whole."""
    http = {"workers": workers, "draintimeout": drain}
    server = ready(entrepot_server({"http": http}))
    content = os.urandom(48 * MIB)
    digest = hexadecimal(content)
    host, port = server.address.split(":")
    with socket.create_connection((host, int(port)), timeout=30) as client:
        head = f"POST /v2/a/blobs/uploads/?digest={digest} HTTP/1.1\r\nHost: x\r\n"
        client.sendall(f"{head}Content-Length: {len(content)}\r\n\r\n".encode())
        client.sendall(content[: 32 * MIB])
        os.kill(server.pid, signal.SIGTERM)
        wait_until(lambda: not answers(host, int(port)), "it takes new connections")
        if drain == "300ms":
            assert server.process is not None
            assert server.process.wait(30) == 0
        answer = finish(client, content[32 * MIB :])
    assert server.process is not None
    assert server.process.wait(30) == 0
    data = list(server.root.glob("docker/registry/v2/blobs/sha256/*/*/data"))

    if drain == "30s":
        assert answer.startswith(b"HTTP/1.1 201 ")
        assert [hexadecimal(one.read_bytes()) for one in data] == [digest]
    else:
        assert answer == b""
        assert data == []


def finish(client: socket.socket, rest: bytes) -> bytes:
    """The answer when the rest has been sent; empty if it was broken off."""
    try:
        client.sendall(rest)
        return client.recv(1000)
    except OSError:
        return b""


def answers(host: str, port: int) -> bool:
    """Whether connections are taken."""
    try:
        socket.create_connection((host, port), timeout=5).close()
    except OSError:
        return False
    return True
