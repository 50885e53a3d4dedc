"""Another certificate while requests go on."""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
import ssl

import pytest
from tests.server.servers.site import AUTHORITY, Running, content, material, running

from entrepot.server.servers import granian

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
KINDS = ("granian-tls", "openssl")


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(granian, "_LEAVING", 0.2)


def shown(server: Running) -> bytes:
    """The fingerprint of the certificate that a new connection sees."""
    with server.connect() as connection:
        assert isinstance(connection, ssl.SSLSocket)
        certificate = connection.getpeercert(binary_form=True)
        assert certificate is not None
        return hashlib.sha256(certificate).digest()


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("kind", KINDS)
def test_new_connections_see_it_and_old_requests_finish(kind: str) -> None:
    async def scenario() -> bytes:
        async with running(kind) as server:
            slow = await asyncio.to_thread(server.connect)
            slow.sendall(b"GET /wait HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            await server.echo.arrived.wait()
            for _ in range(3):
                pair = AUTHORITY.sign()
                await server.listener.renew(material(pair))
                assert await asyncio.to_thread(shown, server) == pair.fingerprint
            server.echo.go.set()
            with slow:
                return await asyncio.to_thread(content, slow)

    assert asyncio.run(scenario()).startswith(b"HTTP/1.1 200 ")


@pytest.mark.usefixtures("hasty")
def test_clients_are_asked_to_connect_anew_before_idle_ones_must() -> None:
    async def scenario() -> tuple[bytes, bytes]:
        async with running("granian-tls") as server:
            busy, idle = [await asyncio.to_thread(server.connect) for _ in range(2)]
            await server.listener.renew(material())
            busy.sendall(GET)
            with busy, idle:
                return (
                    await asyncio.to_thread(content, busy),
                    await asyncio.to_thread(content, idle),
                )

    busy, idle = asyncio.run(scenario())
    assert b"\r\nconnection: close\r\n" in busy.lower()
    assert idle == b""


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_left_of_old_ones(kind: str) -> None:
    async def scenario() -> tuple[int, int]:
        async with running(kind) as server:
            counts: list[int] = []
            for _ in range(3):
                for _ in range(5):
                    await server.listener.renew(material())
                    await asyncio.to_thread(shown, server)
                await asyncio.sleep(0.5)
                counts.append(len(os.listdir("/proc/self/fd")))
            return counts[0], counts[-1]

    before, after = asyncio.run(scenario())
    assert after <= before


@pytest.mark.parametrize("kind", ["granian", *KINDS])
def test_stop_waits_for_requests_and_breaks_off_at_last(kind: str) -> None:
    async def scenario() -> tuple[bytes, bytes]:
        async with running(kind) as server:
            requests = [await asyncio.to_thread(server.connect) for _ in range(2)]
            requests[0].sendall(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
            await server.echo.arrived.wait()
            server.echo.arrived.clear()
            requests[1].sendall(b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345")
            await server.echo.arrived.wait()
            stopping = asyncio.create_task(server.listener.stop(0.5))
            await asyncio.sleep(0)
            server.echo.go.set()
            first = await asyncio.to_thread(requests[0].recv, 1000)
            await stopping
            await server.listener.wait()
            with requests[0], requests[1]:
                requests[1].settimeout(0.1)
                return first, await asyncio.to_thread(_said, requests[1])

    finished, broken = asyncio.run(scenario())
    assert finished.startswith(b"HTTP/1.1 200 ")
    assert broken == b""


def _said(connection: socket.socket) -> bytes:
    try:
        return connection.recv(100)
    except (TimeoutError, OSError):
        return b""
