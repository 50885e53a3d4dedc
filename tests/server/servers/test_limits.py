"""What a client may not do: ask for too much, be too slow, be too many."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
from tests.server.servers.site import KINDS, Running, content, running

from entrepot.server.servers import granian, idle, protocol
from entrepot.server.servers.idle import Room

CLOSE = b"Host: x\r\nConnection: close\r\n"
GET = b"GET / HTTP/1.1\r\n" + CLOSE + b"\r\n"
LARGE = {
    "url": b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n" + CLOSE + b"\r\n",
    "header": b"GET / HTTP/1.1\r\n" + CLOSE + b"A: " + b"a" * 5_000_000 + b"\r\n\r\n",
    "number": b"GET / HTTP/1.1\r\n" + CLOSE + b"A: b\r\n" * 1000 + b"\r\n",
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("what", LARGE)
def test_too_much_is_refused_and_others_are_served(kind: str, what: str) -> None:
    async def scenario() -> tuple[bytes, bytes, int]:
        async with running(kind) as server:
            refused = await asyncio.to_thread(_refused, server, LARGE[what])
            served = await asyncio.to_thread(server.ask, GET)
            return refused, served, len(server.echo.scopes)

    refused, served, count = asyncio.run(scenario())
    # 400 where a parser meets its own limit first; nothing where it is cut off while it sends
    assert refused.split(b" ")[1:2] in ([b"400"], [b"414"], [b"431"], [])
    assert served.startswith(b"HTTP/1.1 200 ")
    assert count == 1


def _refused(server: Running, request: bytes) -> bytes:
    with server.connect() as connection:
        try:
            connection.sendall(request)
        except OSError:
            return b""
        return content(connection)


@pytest.mark.parametrize("kind", KINDS)
def test_slow_headers_are_cut_off(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (granian, protocol):
        monkeypatch.setattr(module, "HEADER_SECONDS", 0.3)

    async def scenario() -> tuple[float, bytes]:
        async with running(kind) as server:
            slow = asyncio.create_task(asyncio.to_thread(_trickle, server))
            served = await asyncio.to_thread(server.ask, GET)
            return await slow, served

    seconds, served = asyncio.run(scenario())
    assert seconds < 5
    assert served.startswith(b"HTTP/1.1 200 ")


def _trickle(server: Running) -> float:
    began = time.monotonic()
    with server.connect() as connection:
        connection.settimeout(0.05)
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nA: ")
        while time.monotonic() - began < 10:
            try:
                connection.sendall(b"b")
                if not connection.recv(100):
                    break
            except TimeoutError:
                continue
            except OSError:
                break
    return time.monotonic() - began


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idle, "_BETWEEN", 0.1)
    monkeypatch.setattr(idle, "_IDLE", 0.5)
    monkeypatch.setattr(idle, "_CROWDED_IDLE", 0.2)


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("said", [b"", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"])
def test_connections_without_a_request_are_ended(kind: str, said: bytes) -> None:
    async def scenario() -> None:
        async with running(kind, http2=kind != "openssl") as server:
            connection = await asyncio.to_thread(server.connect)
            connection.sendall(said)
            await asyncio.to_thread(content, connection)  # ends
            connection.close()

    asyncio.run(scenario())


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("kind", KINDS)
def test_slow_answer_is_waited_for(kind: str) -> None:
    async def scenario() -> bytes:
        async with running(kind) as server:
            answer = asyncio.create_task(
                asyncio.to_thread(server.ask, b"GET /wait HTTP/1.1\r\n" + CLOSE + b"\r\n")
            )
            await server.echo.arrived.wait()
            silent = await asyncio.to_thread(server.connect)
            await asyncio.to_thread(content, silent)  # this one is ended
            silent.close()
            server.echo.go.set()
            return await answer

    assert asyncio.run(scenario()).startswith(b"HTTP/1.1 200 ")


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("kind", KINDS)
def test_many_idle_connections_give_room_to_others(
    kind: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(idle, "_IDLE", 1000.0)

    async def scenario() -> bytes:
        async with running(kind, connections=20) as server:
            many = await asyncio.to_thread(lambda: [server.connect() for _ in range(20)])
            try:
                return await asyncio.to_thread(_until_served, server)
            finally:
                for one in many:
                    one.close()

    assert asyncio.run(scenario()).startswith(b"HTTP/1.1 200 ")
    assert "of 20 connections are taken; ended" in caplog.text


def _until_served(server: Running) -> bytes:
    """A server may refuse while it is full."""
    for _ in range(100):
        with suppress(OSError):
            if answer := server.ask(GET):
                return answer
        time.sleep(0.05)
    return b""


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("kind", KINDS)
def test_client_that_does_not_read_is_ended(kind: str) -> None:
    async def scenario() -> bool:
        async with running(kind, room=Room(64, 0.5)) as server:
            connection = await asyncio.to_thread(server.connect)
            connection.sendall(b"GET /large HTTP/1.1\r\n" + CLOSE + b"\r\n")
            await asyncio.to_thread(_until_ended, server.port)
            connection.close()
            served = await asyncio.to_thread(server.ask, GET)
            return served.startswith(b"HTTP/1.1 200 ")

    assert asyncio.run(scenario())


def _until_ended(port: int) -> None:
    """Return when the server has no connection any more."""
    deadline = time.monotonic() + 20
    while list(_sending(port)):
        assert time.monotonic() < deadline, "a client that does not read keeps its connection"
        time.sleep(0.05)


def _sending(port: int) -> Iterator[str]:
    """Open connections of the server, by the kernel's table."""
    with open("/proc/net/tcp") as table:
        for line in table.readlines()[1:]:
            _, local, _, state, *_ = line.split()
            if local.endswith(f":{port:04X}") and state in {"01", "08"}:
                yield line
