"""Both servers treat requests alike."""

from __future__ import annotations

import asyncio
import socket

import pytest
from starlette.types import Message, Receive, Scope, Send
from tests.server.servers.site import KINDS, SECONDS, content, running

from entrepot.server.servers.doorway import Doorway

CLOSE = b"Host: x\r\nConnection: close\r\n"


@pytest.mark.parametrize("kind", KINDS)
def test_head_keeps_its_length_and_has_no_body(kind: str) -> None:
    async def scenario() -> bytes:
        async with running(kind) as server:
            return await asyncio.to_thread(server.ask, b"HEAD / HTTP/1.1\r\n" + CLOSE + b"\r\n")

    head, _, body = asyncio.run(scenario()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"content-length: 2" in head.lower()
    assert b"\r\ndate: " in head.lower()
    assert body == b""


@pytest.mark.parametrize("kind", KINDS)
def test_body_is_sent_after_the_server_asked_for_it(kind: str) -> None:
    async def scenario() -> tuple[bytes, bytes]:
        async with running(kind) as server:
            return await asyncio.to_thread(lambda: _expecting(server.connect()))

    first, rest = asyncio.run(scenario())
    assert first.startswith(b"HTTP/1.1 100 ")
    assert rest.endswith(b"\r\n\r\n3000000\n")


def _expecting(connection: socket.socket) -> tuple[bytes, bytes]:
    with connection:
        connection.sendall(b"PUT / HTTP/1.1\r\n" + CLOSE + b"Expect: 100-continue\r\n")
        connection.sendall(b"Content-Length: 3000000\r\n\r\n")
        first = connection.recv(65536)
        connection.sendall(bytes(3_000_000))
        return first, content(connection)


@pytest.mark.parametrize("kind", KINDS)
def test_client_that_leaves_is_noticed(kind: str) -> None:
    async def scenario() -> None:
        async with running(kind) as server:
            connection = await asyncio.to_thread(server.connect)
            connection.sendall(b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345")
            async with asyncio.timeout(SECONDS):
                await server.echo.arrived.wait()
                connection.close()
                await server.echo.left.wait()

    asyncio.run(scenario())


@pytest.mark.parametrize("kind", KINDS)
def test_unread_body_does_not_fill_the_memory(kind: str) -> None:
    """The client is held up when some of it has come, long before all of it."""

    async def scenario() -> int:
        async with running(kind) as server:
            connection = await asyncio.to_thread(server.connect)
            connection.settimeout(0.4)
            return await asyncio.to_thread(_push_until_stuck, connection)

    assert asyncio.run(scenario()) < 16_000_000


def _push_until_stuck(connection: socket.socket) -> int:
    sent = 0
    with connection:
        connection.sendall(b"PUT /wait HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n")
        try:
            while sent < 100_000_000:
                sent += connection.send(bytes(100_000))
        except TimeoutError:
            pass
    return sent


@pytest.mark.parametrize(
    ("path", "body", "sent", "leaves"),
    [
        ("/refuse", "Content-Length: 262145", 0, True),
        ("/refuse", "Transfer-Encoding: chunked", 0, True),
        ("/refuse", "Content-Length: 2", 2, False),
        ("/refuse", "X-None: 1", 0, False),
        ("/", "Content-Length: 262145", 262_145, False),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_client_whose_body_is_refused_unread_is_told_to_connect_anew(
    kind: str, path: str, body: str, sent: int, leaves: bool
) -> None:
    """Its next request would be lost on this connection."""

    async def scenario() -> bytes:
        async with running(kind) as server:
            return await asyncio.to_thread(lambda: _answered(server.connect(), path, body, sent))

    head = asyncio.run(scenario()).lower()
    assert head.startswith(b"http/1.1 404 " if path == "/refuse" else b"http/1.1 200 ")
    assert (b"\r\nconnection: close\r\n" in head) == leaves


def _answered(connection: socket.socket, path: str, body: str, sent: int) -> bytes:
    with connection:
        head = f"PATCH {path} HTTP/1.1\r\nHost: x\r\n{body}\r\n\r\n".encode()
        connection.sendall(head + bytes(sent))
        return connection.recv(65536)


@pytest.mark.parametrize("kind", KINDS)
def test_scope_has_the_client_and_the_scheme(kind: str) -> None:
    async def scenario() -> tuple[str, str, str]:
        async with running(kind) as server:
            request = b"GET /a%20b?c=%20d HTTP/1.1\r\n" + CLOSE + b"\r\n"
            await asyncio.to_thread(server.ask, request)
            [scope] = server.echo.scopes
            assert scope["query_string"] == b"c=%20d"
            return scope["client"][0], scope["scheme"], scope["path"]

    scheme = "http" if kind == "granian" else "https"
    assert asyncio.run(scenario()) == ("127.0.0.1", scheme, "/a b")


def test_client_of_both_families_has_its_own_address() -> None:
    """A socket for both shows clients of IPv4 in clothes of IPv6."""

    async def answered() -> list[str]:
        seen: list[str] = []

        async def app(scope: Scope, _: Receive, __: Send) -> None:
            seen.append(scope["client"][0])

        async def nothing() -> Message:
            return {}

        async def ignore(_: Message) -> None:
            return

        for host in ("::ffff:192.0.2.7", "192.0.2.7", "::1", "fe80::ffff:1"):
            scope = {"type": "http", "client": (host, 5), "http_version": "1.1", "method": "GET"}
            await Doorway(app, {})(scope, nothing, ignore)
        return seen

    assert asyncio.run(answered()) == ["192.0.2.7", "192.0.2.7", "::1", "fe80::ffff:1"]
