"""Lines that are no HTTP, and bodies that are not what was announced, against a real server."""

from __future__ import annotations

import hashlib
import random
import re
import socket
import ssl
from collections.abc import Callable, Generator
from contextlib import suppress

import pytest

from entrepot.server.testing import RunningRegistry

pytestmark = pytest.mark.real

CONTENT = b"a blob that is pulled after every turn"
DIGEST = "sha256:" + hashlib.sha256(CONTENT).hexdigest()
SECONDS = 5.0  # an answer, or the end of the connection, comes within this time
HEAD = "Host: registry.test\r\n"


@pytest.fixture(scope="module")
def registry(entrepot_registry: RunningRegistry) -> RunningRegistry:
    request = f"POST /v2/socket/blobs/uploads/?digest={DIGEST} HTTP/1.1\r\n{HEAD}"
    answer = talk(entrepot_registry, f"{request}Content-Length: {len(CONTENT)}\r\n\r\n", CONTENT)
    assert statuses(answer) == [201]
    return entrepot_registry


@pytest.fixture(autouse=True)
def _serves_afterwards(registry: RunningRegistry) -> Generator[None, None, None]:
    yield
    answer = talk(
        registry, f"GET /v2/socket/blobs/{DIGEST} HTTP/1.1\r\n{HEAD}Connection: close\r\n\r\n"
    )
    assert answer.endswith(CONTENT)


def talk(registry: RunningRegistry, *parts: str | bytes, finish: bool = False) -> bytes:
    """Send parts and give what came back until the server closed or fell silent.

    With `finish` the client says that it sends no more.
    """
    host, _, port = registry.address.rpartition(":")
    received = b""
    with (
        socket.create_connection((host, int(port)), SECONDS) as connection,
        suppress(ConnectionError),
    ):
        for part in parts:
            connection.sendall(part.encode("latin-1") if isinstance(part, str) else part)
        if finish:
            with suppress(OSError):  # it is closed from the other side already
                connection.shutdown(socket.SHUT_WR)
        while not complete(received) and (piece := connection.recv(65536)):
            received += piece
    return received


def complete(received: bytes) -> bool:
    """Whether a whole answer with a Content-Length is there."""
    head, end, body = received.partition(b"\r\n\r\n")
    length = re.search(rb"\r\ncontent-length: (\d+)", head.lower())
    return bool(end and length and len(body) >= int(length[1]))


def statuses(answer: bytes) -> list[int]:
    return [int(found) for found in re.findall(rb"(?:^|\n)HTTP/1\.[01] (\d{3})", answer)]


MALFORMED: dict[str, bytes] = {
    "nothing": b"",
    "empty lines": b"\r\n\r\n\r\n",
    "words": b"hello there\r\n\r\n",
    "no version": b"GET /v2/\r\n\r\n",
    "version 9": b"GET /v2/ HTTP/9.9\r\nHost: x\r\n\r\n",
    "http/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9),
    "no path": b"GET  HTTP/1.1\r\nHost: x\r\n\r\n",
    "odd method": b"G\x00T /v2/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "method of 64 KiB": b"A" * 65536 + b" /v2/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "header without colon": b"GET /v2/ HTTP/1.1\r\nHost\r\n\r\n",
    "header with NUL": b"GET /v2/ HTTP/1.1\r\nHost: x\0y\r\n\r\n",
    "folded header": b"GET /v2/ HTTP/1.1\r\nHost: x\r\n y\r\n\r\n",
    "many headers": b"GET /v2/ HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 5000 + b"\r\n",
    "length of words": b"PUT /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: ten\r\n\r\n",
    "negative length": b"PUT /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    "two lengths": b"PUT /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
    b"Content-Length: 2\r\n\r\nab",
    "length of 5000 digits": b"PUT /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: "
    + b"9" * 5000
    + b"\r\n\r\n",
    "odd chunk size": b"PATCH /v2/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "odd encoding": b"PATCH /v2/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\nx",
    "length and chunked": b"PATCH /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "zeros": bytes(4096),
    "ones": b"\xff" * 4096,
}


@pytest.mark.parametrize("line", MALFORMED)
def test_malformed_request_is_refused_or_cut_off(registry: RunningRegistry, line: str) -> None:
    answer = talk(registry, MALFORMED[line], finish=True)

    assert all(status < 500 or status == 505 for status in statuses(answer)), answer[:500]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v2/socket/tags/%2e%2e", 404),
        ("/v2/%2e%2e/%2e%2e/etc/passwd/tags/list", 400),
        ("/v2/../../etc/passwd", 404),
        ("/v2/a%2Fb/tags/list", 404),
        ("/v2/a%00/tags/list", 400),
        ("/v2/%ff%fe/tags/list", 400),
        ("/v2/%zz/tags/list", 400),
        ("/v2/%/tags/list", 400),
        ("/v2/" + "x/" * 5000 + "tags/list", 400),
        ("http://other.test/v2/", 200),
        ("/v2/?" + "n=1&" * 2000, 200),
        ("/v2/\xe4/tags/list", 400),
    ],
    ids=lambda value: str(value)[:40],
)
def test_path_that_only_a_socket_can_send(
    registry: RunningRegistry, path: str, status: int
) -> None:
    answer = talk(registry, f"GET {path} HTTP/1.1\r\n{HEAD}Connection: close\r\n\r\n")

    assert statuses(answer) == [status], answer[:500]


def test_tls_hello_on_the_plain_port_is_cut_off(registry: RunningRegistry) -> None:
    host, _, port = registry.address.rpartition(":")
    context = ssl.create_default_context()
    with (
        socket.create_connection((host, int(port)), SECONDS) as connection,
        pytest.raises((ssl.SSLError, ConnectionError)),
    ):
        context.wrap_socket(connection, server_hostname="registry.test")


def upload(registry: RunningRegistry) -> str:
    answer = talk(
        registry, f"POST /v2/socket/blobs/uploads/ HTTP/1.1\r\n{HEAD}Content-Length: 0\r\n\r\n"
    )
    location = re.search(rb"location: http://registry.test(/\S+)", answer)
    assert location is not None, answer
    return location[1].decode()


def patch_of(location: str, headers: str) -> str:
    return f"PATCH {location} HTTP/1.1\r\n{HEAD}{headers}\r\n"


def chunked(*sizes: int) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (size, b"x" * size) for size in sizes)


BROKEN: dict[str, Callable[[random.Random], tuple[str, bytes, int]]] = {
    "shorter than announced": lambda chance: (
        f"Content-Length: {(sent := chance.randrange(200_000)) + chance.randrange(1, 10**6)}\r\n",
        b"x" * sent,
        sent,
    ),
    "endless announced": lambda _: (
        "Content-Length: 99999999999999\r\n",
        b"x" * 70_000,
        70_000,
    ),
    "chunks without an end": lambda chance: (
        "Transfer-Encoding: chunked\r\n",
        chunked(*(sizes := [chance.randrange(1, 50_000) for _ in range(4)])),
        sum(sizes),
    ),
    "chunk cut in two": lambda chance: (
        "Transfer-Encoding: chunked\r\n",
        chunked(1000)[: chance.randrange(1, 1000)],
        1000,
    ),
}


@pytest.mark.parametrize("turn", range(5))
@pytest.mark.parametrize("how", BROKEN)
@pytest.mark.parametrize("finish", [True, False], ids=["half closed", "closed"])
def test_body_that_breaks_off_keeps_no_more_than_was_sent(
    registry: RunningRegistry, how: str, turn: int, *, finish: bool
) -> None:
    location = upload(registry)
    headers, body, sent = BROKEN[how](random.Random(f"{how} {turn}"))

    if finish:
        talk(registry, patch_of(location, headers), body, finish=True)
    else:
        host, _, port = registry.address.rpartition(":")
        with socket.create_connection((host, int(port)), SECONDS) as connection:
            connection.sendall(patch_of(location, headers).encode() + body)

    path = location.partition("?")[0]
    answer = talk(registry, f"GET {path} HTTP/1.1\r\n{HEAD}Connection: close\r\n\r\n")
    assert statuses(answer) == [204]
    held = re.search(rb"range: 0-(\d+)", answer)
    assert held is not None
    assert int(held[1]) <= sent


def test_body_longer_than_announced_is_not_kept(registry: RunningRegistry) -> None:
    location = upload(registry)
    extra = b"GET /v2/ HTTP/1.1\r\nHost: registry.test\r\nConnection: close\r\n\r\n"

    answer = talk(registry, patch_of(location, "Content-Length: 3\r\n"), b"abc" + extra)

    assert statuses(answer)[0] == 202
    assert b"range: 0-2\r\n" in answer


@pytest.mark.parametrize("turn", range(60))
def test_garbled_request_is_answered_or_cut_off(registry: RunningRegistry, turn: int) -> None:
    chance = random.Random(turn)
    line = bytearray(
        f"PATCH {upload(registry)} HTTP/1.1\r\n{HEAD}Content-Range: 0-9\r\n"
        "Content-Length: 10\r\nContent-Type: application/octet-stream\r\n\r\n0123456789".encode()
    )
    for _ in range(chance.randrange(1, 6)):
        line[chance.randrange(len(line))] = chance.randrange(256)
    for _ in range(chance.randrange(3)):
        at = chance.randrange(len(line))
        del line[at : at + chance.randrange(9)]

    answer = talk(registry, bytes(line), finish=True)

    assert all(status < 500 or status == 505 for status in statuses(answer)), (line, answer[:500])
