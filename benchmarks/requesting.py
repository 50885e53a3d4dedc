"""Many small requests over kept connections: by wrk where it is, else by a loop of our own."""

from __future__ import annotations

import re
import selectors
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmarks.failures import BenchmarkError
from benchmarks.wire import Address, Connection, request_head

__all__ = ["Endpoint", "Rate", "client_name", "hammer", "request_rate"]

_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A request that is asked again and again; its answer is 200 and always of one length."""

    name: str
    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Rate:
    """Requests that were answered in a time."""

    requests: int
    seconds: float


def client_name(method: str) -> str:
    """Which client asks: wrk waits for bodies that answers to HEAD do not have."""
    return "wrk" if method == "GET" and shutil.which("wrk") else "own"


def request_rate(address: Address, endpoint: Endpoint, connections: int, seconds: int) -> Rate:
    """Ask over so many connections for so long.

    Raises BenchmarkError: when an answer was not 200, or none came.
    """
    own = client_name(endpoint.method) == "own"
    rate = (hammer if own else _wrk)(address, endpoint, connections, seconds)
    if not rate.requests:
        raise BenchmarkError(f"{endpoint.name}: no request was answered")
    return rate


def hammer(address: Address, endpoint: Endpoint, connections: int, seconds: float) -> Rate:
    """Ask from this process: one request at a time on each connection."""
    size = _answer_size(address, endpoint)
    request = request_head(address, endpoint.method, endpoint.path, endpoint.headers)
    with selectors.DefaultSelector() as selector:
        sockets = [socket.create_connection(address) for _ in range(connections)]
        try:
            for each in sockets:
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                selector.register(each, selectors.EVENT_READ, bytearray())
            return _loop(selector, sockets, request, size, seconds)
        finally:
            for each in sockets:
                each.close()


def _answer_size(address: Address, endpoint: Endpoint) -> int:
    """Bytes of the body of an answer."""
    with Connection(address) as connection:
        answer = connection.ask(endpoint.method, endpoint.path, headers=endpoint.headers)
    if answer.status != 200:
        raise BenchmarkError(f"{endpoint.name}: {answer.status} {answer.body[:200]!r}")
    return len(answer.body)


def _loop(
    selector: selectors.BaseSelector,
    sockets: list[socket.socket],
    request: bytes,
    size: int,
    seconds: float,
) -> Rate:
    answered, begun = 0, time.monotonic()
    for each in sockets:
        each.send(request)
    while (now := time.monotonic()) - begun < seconds:
        for key, _ in selector.select(1):
            each = sockets[0] if not isinstance(key.fileobj, socket.socket) else key.fileobj
            if _complete(key.data, each.recv(65536), size):
                answered += 1
                each.send(request)
    return Rate(answered, now - begun)


def _complete(so_far: bytearray, received: bytes, size: int) -> bool:
    """Whether an answer has ended with what was received."""
    if not received:
        raise BenchmarkError("the server closed a connection between requests")
    so_far += received
    end = so_far.find(b"\r\n\r\n")
    if end < 0 or len(so_far) < end + 4 + size:
        return False
    if not so_far.startswith(b"HTTP/1.1 200"):
        raise BenchmarkError(f"an answer was {bytes(so_far[:end])!r}")
    so_far.clear()
    return True


def _wrk(address: Address, endpoint: Endpoint, connections: int, seconds: int) -> Rate:
    headers = [part for pair in endpoint.headers.items() for part in ("-H", ": ".join(pair))]
    url = f"http://{address[0]}:{address[1]}{endpoint.path}"
    done = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", *headers, url],
        capture_output=True,
        text=True,
        check=False,
    )
    counted = re.search(r"(\d+) requests in ([\d.]+)(us|ms|s|m),", done.stdout)
    if done.returncode or counted is None or "Non-2xx" in done.stdout:
        raise BenchmarkError(f"{endpoint.name}: wrk said\n{done.stdout}{done.stderr}")
    return Rate(int(counted[1]), float(counted[2]) * _UNITS[counted[3]])
