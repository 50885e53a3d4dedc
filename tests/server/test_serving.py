"""A served registry: its first words, its end, its workers, its sockets."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import IO

import httpx2
import pytest

from entrepot.server.testing import RunningRegistry

Start = Callable[..., "Served"]
SECONDS = 30.0


class Served:
    """A server process and what it said at its start."""

    def __init__(self, process: subprocess.Popen[str], address: str) -> None:
        self.process = process
        self.address = address
        self.said = _until_listening(process)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(SECONDS)


def _until_listening(process: subprocess.Popen[str]) -> str:
    stream: IO[str] | None = process.stderr
    assert stream is not None
    said = ""
    while "listening on" not in said:
        line = stream.readline()
        assert line, f"ended with {process.wait(SECONDS)}: {said}"
        said += line
    return said


@pytest.fixture
def start(tmp_path: Path) -> Generator[Start, None, None]:
    begun: list[subprocess.Popen[str]] = []

    def starting(**variables: str) -> Served:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{free.getsockname()[1]}"
        given = {"HTTP_ADDR": address} | variables
        environment = {key: value for key, value in os.environ.items() if "REGISTRY_" not in key}
        environment |= {f"REGISTRY_{name}": value for name, value in given.items()}
        process = subprocess.Popen(
            [sys.executable, "-m", "entrepot.server", "serve"],
            env=environment,
            cwd=tmp_path,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        begun.append(process)
        return Served(process, address)

    yield starting
    for process in begun:
        process.kill()
        process.communicate()


def test_first_words_say_where_and_how(start: Start, tmp_path: Path) -> None:
    served = start()

    assert f"listens on {served.address}" in served.said
    assert f"filesystem in {tmp_path}/registry-data" in served.said
    assert f"docker push {served.address}/demo/image:1" in served.said


def test_zero_configuration_serves_what_was_pushed_from_its_file(
    start: Start, tmp_path: Path
) -> None:
    content = os.urandom(3_000_000)
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    url = f"http://{start().address}/v2/a/blobs"

    pushed = httpx2.post(f"{url}/uploads/?digest={digest}", content=content)

    assert pushed.status_code == 201
    whole = httpx2.get(f"{url}/{digest}")
    assert whole.content == content
    assert whole.headers["content-length"] == "3000000"
    part = httpx2.get(f"{url}/{digest}", headers={"Range": "bytes=1000000-1999999"})
    assert part.content == content[1_000_000:2_000_000]
    [data] = tmp_path.glob("registry-data/docker/registry/v2/blobs/sha256/??/*/data")
    assert data.read_bytes() == content


def test_stop_lets_an_upload_finish_and_takes_no_new_one(start: Start) -> None:
    served = start(STORAGE="inmemory", HTTP_DRAINTIMEOUT="20s")
    host, port = served.address.split(":")
    location = httpx2.post(f"http://{served.address}/v2/a/blobs/uploads/").headers["location"]

    with socket.create_connection((host, int(port))) as client:
        path = location.removeprefix(f"http://{served.address}")
        head = f"PATCH {path} HTTP/1.1\r\nHost: {served.address}\r\nContent-Length: 10\r\n\r\n"
        client.sendall(head.encode() + b"12345")
        served.process.send_signal(signal.SIGTERM)
        _wait_until_refused(host, int(port))
        client.sendall(b"67890")
        assert client.recv(100).startswith(b"HTTP/1.1 202")

    assert served.process.wait(SECONDS) == 0


def test_stop_breaks_off_what_does_not_finish_in_time(start: Start) -> None:
    served = start(STORAGE="inmemory", HTTP_DRAINTIMEOUT="100ms")
    host, port = served.address.split(":")

    with socket.create_connection((host, int(port))) as client:
        client.sendall(b"POST /v2/a/blobs/uploads/?digest=x HTTP/1.1\r\nHost: x\r\n")
        client.sendall(b"Content-Length: 10\r\n\r\n12345")

        assert served.stop() == 0


def test_chunks_of_one_upload_go_to_several_workers(start: Start) -> None:
    served = start(HTTP_WORKERS="2")
    content = [bytes([n]) * 100_000 for n in range(12)]
    digest = f"sha256:{hashlib.sha256(b''.join(content)).hexdigest()}"
    location = httpx2.post(f"http://{served.address}/v2/a/blobs/uploads/").headers["location"]

    for chunk in content:  # each on a connection of its own, so on any worker
        location = httpx2.patch(location, content=chunk).headers["location"]
    finished = httpx2.put(f"{location}&digest={digest}")

    assert finished.status_code == 201
    assert served.stop() == 0


def test_unix_socket(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "registry.sock"
    start(STORAGE="inmemory", HTTP_NET="unix", HTTP_ADDR=str(path))
    transport = httpx2.HTTPTransport(uds=str(path))

    with httpx2.Client(transport=transport) as client:
        assert client.get("http://registry.test/v2/").json() == {}


def test_http2_without_tls(start: Start) -> None:
    served = start(STORAGE="inmemory", HTTP_H2C_ENABLED="true")
    host, port = served.address.split(":")

    with socket.create_connection((host, int(port))) as client:
        client.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0")
        frame = client.recv(9)

    assert frame[3] == 4  # SETTINGS, as RFC 9113 section 3.4 wants it first


def test_access_log_is_in_the_combined_format(start: Start) -> None:
    served = start(STORAGE="inmemory")
    headers = {"User-Agent": 'x" 200 0 "\ty'}
    httpx2.get(f"http://{served.address}/v2/?a=%0Ab&_state=hush", headers=headers)
    served.stop()

    assert served.process.stdout is not None
    lines = [line for line in served.process.stdout if "GET /v2/" in line]
    pattern = (
        r"127\.0\.0\.1 - - \[\d\d/\w+/\d{4}:[\d:]{8} \+0000\] "
        r'"GET /v2/\?a=%0Ab&_state=\*{6} HTTP/1\.1" 200 2 "" "x\\" 200 0 \\"\\ty"\n'
    )
    assert len(lines) == 1
    assert re.fullmatch(pattern, lines[0])


@pytest.mark.parametrize("form", ["json", "logstash", "text"])
def test_log_forms(start: Start, form: str, tmp_path: Path) -> None:
    served = start(LOG_FORMATTER=form, LOG_FIELDS="{service: hub}", LOG_REPORTCALLER="true")
    link = tmp_path / "registry-data/docker/registry/v2/repositories/a/_manifests/tags/x/current"
    link.mkdir(parents=True)
    (link / "link").touch()

    assert httpx2.get(f"http://{served.address}/v2/a/manifests/x").status_code == 404
    served.stop()

    assert served.process.stderr is not None
    said = [*served.said.splitlines(), *served.process.stderr]
    if form == "text":
        assert any("first push" in line for line in said)  # words for people
        [line] = [line for line in said if "damaged link" in line]
        for part in ("time=", "func=read_link", "level=warning", "service=hub", "http.request.id="):
            assert part in line
        return
    lines = [json.loads(line) for line in said]
    message = {"json": "msg", "logstash": "message"}[form]
    told = [line[message].partition(":")[0] for line in lines]
    assert told[0] == f"listening on {served.address.partition(':')[0]}"
    [damaged] = [line for line in lines if line[message].startswith("damaged link")]
    assert damaged["func"] == "read_link"
    answered = lines[told.index("response completed with error")]
    assert damaged["http.request.id"] == answered["http.request.id"]
    assert answered["level"] == "info"
    assert {line["service"] for line in lines} == {"hub"}
    assert len({line["instance.id"] for line in lines}) == 1


def test_reader_of_the_access_log_who_stopped_stops_nobody(start: Start) -> None:
    served = start(STORAGE="inmemory", LOG_ACCESSLOG_FORMATTER="json")
    stdout = served.process.stdout
    assert stdout is not None
    fcntl.fcntl(stdout, fcntl.F_SETPIPE_SZ, 4096)

    with httpx2.Client(headers={"User-Agent": "x" * 4000}, timeout=SECONDS) as client:
        for _ in range(50):
            assert client.get(f"http://{served.address}/v2/").status_code == 200
    served.process.send_signal(signal.SIGTERM)
    lines = [json.loads(line) for line in stdout]

    assert len([line for line in lines if line["http.request.uri"] == "/v2/"]) == 50
    assert served.process.wait(SECONDS) == 0


def test_answer_that_the_store_breaks_off_is_one_line(start: Start, tmp_path: Path) -> None:
    served = start(STORAGE_CACHE_BLOBDESCRIPTOR="inmemory", LOG_FORMATTER="json")
    content = os.urandom(3_000_000)
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    url = f"http://{served.address}/v2/a/blobs"
    httpx2.post(f"{url}/uploads/?digest={digest}", content=content)
    assert httpx2.get(f"{url}/{digest}").content == content
    [data] = tmp_path.glob("registry-data/docker/registry/v2/blobs/sha256/??/*/data")
    os.truncate(data, 1_500_000)

    with pytest.raises(httpx2.RemoteProtocolError):
        httpx2.get(f"{url}/{digest}")
    served.stop()

    assert served.process.stderr is not None
    lines = [json.loads(line) for line in served.process.stderr]
    [error] = [line for line in lines if line["level"] == "error"]
    assert error["msg"] == "response completed with error"
    assert f"{digest[7:]}/data: 3000000 bytes were expected of it" in error["err.detail"]
    assert error["http.response.written"] == 1_500_000


def test_fixture_for_other_projects(entrepot_registry: RunningRegistry) -> None:
    assert httpx2.get(f"{entrepot_registry.url}/v2/").json() == {}


def _wait_until_refused(host: str, port: int) -> None:
    while True:
        try:
            socket.create_connection((host, port), timeout=1).close()
        except ConnectionResetError:  # it stood in the queue when the listener was closed
            continue
        except ConnectionRefusedError:
            return
