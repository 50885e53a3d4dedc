"""Clients that hang up in the middle: the connections to the store are given back."""

import socket
import struct
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.real.backends import CLOUDS, Backend
from tests.real.registry import Registry
from tests.real.servers import Server, StartEntrepot

pytestmark = pytest.mark.parametrize("backend", CLOUDS, indirect=True, scope="module")

MIB = 1024 * 1024
TIMES = 30
SECONDS = 30.0
FEW: dict[str, dict[str, Any]] = {
    "s3": {"maxconnections": 4},
    "gcs": {},
    "azure": {"maxconcurrency": 4},
}
LAYER = bytes(range(251)) * (24 * MIB // 251)


@pytest.fixture(scope="module")
def server(backend: Backend, entrepot_server: StartEntrepot) -> Generator[Server, None, None]:
    """Our server, which may have few connections at a time where that can be set."""
    server = entrepot_server(backend.configured(**FEW[backend.driver]))
    yield server
    server.stop()


def connections(server: Server, endpoint: str) -> int:
    """How many of the server's sockets are connected to its store."""
    sockets = set[str]()
    for link in Path(f"/proc/{server.pid}/fd").iterdir():
        try:
            target = str(link.readlink())
        except FileNotFoundError:
            continue
        if target.startswith("socket:["):
            sockets.add(target[8:-1])
    wanted = f":{int(endpoint.partition(':')[2]):04X}"
    rows = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    return sum(row[9] in sockets and row[2].endswith(wanted) and row[3] == "01" for row in rows)


def log(server: Server) -> str:
    """What the server has logged."""
    return server.log.read_text(errors="replace")


def comes_true(claim: Callable[[], bool]) -> bool:
    """Whether it is so before the time is up."""
    deadline = time.monotonic() + SECONDS
    while not claim():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def connect(server: Server) -> socket.socket:
    """A connection that is reset when it is closed."""
    host, _, port = server.address.partition(":")
    connection = socket.create_connection((host, int(port)), timeout=SECONDS)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return connection


def hang_up_in_a_pull(server: Server, endpoint: str, path: str) -> None:
    with connect(server) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {server.address}\r\n\r\n".encode())
        assert connection.recv(15) == b"HTTP/1.1 200 OK"
        assert connections(server, endpoint) > 0


def hang_up_in_a_push(server: Server, location: str) -> None:
    url = httpx2.URL(location)
    head = f"PATCH {url.raw_path.decode()} HTTP/1.1\r\nHost: {server.address}\r\n"
    with connect(server) as connection:
        connection.sendall(f"{head}Content-Length: {len(LAYER)}\r\n\r\n".encode())
        connection.sendall(LAYER[: 7 * MIB])


def test_hanging_up_in_a_pull_gives_the_connection_back(
    server: Server, registry: Registry, backend: Backend, repository: str
) -> None:
    digest = registry.push_blob(repository, LAYER)
    path = f"/v2/{repository}/blobs/{digest}"
    before = connections(server, backend.endpoint)

    for _ in range(TIMES):
        hang_up_in_a_pull(server, backend.endpoint, path)

    # one more may be kept for reuse, whatever was going on before
    assert comes_true(lambda: connections(server, backend.endpoint) <= before + 1)
    assert registry.blob(repository, digest).content == LAYER


def test_hanging_up_in_a_push_gives_the_connection_back(
    server: Server, registry: Registry, backend: Backend, repository: str
) -> None:
    registry.push_blob(repository, LAYER)
    before = connections(server, backend.endpoint)
    locations = [registry.begin_upload(repository) for _ in range(TIMES // 3)]

    for location in locations:
        hang_up_in_a_push(server, location)

    paths = [httpx2.URL(location).path for location in locations]
    assert comes_true(lambda: all(f"client left: PATCH {path}" in log(server) for path in paths))
    assert comes_true(lambda: connections(server, backend.endpoint) <= before + 2)
    for location in locations:
        assert registry.http.delete(location).status_code == 204
    assert registry.push_blob(repository, LAYER[1:])
    held = [key for key in backend.bucket.objects() if "/_uploads/" in key]
    assert held + backend.bucket.unfinished() == []
