"""Clients with certificates: let in, refused, known by name."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest
from tests.server.servers.site import AUTHORITY, Running, material, running
from tests.tools.authority import Authority

from entrepot.core.access import ClientCertificate
from entrepot.server.servers.protocol import CERTIFICATE, presented

GET = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
STRANGER = Authority("another authority")
NAMES = ["builder.example.com", "alice@example.com", "spiffe://example.com/build", "10.0.0.1"]


def client(authority: Authority | None, folder: Path) -> ssl.SSLContext:
    """Trusts our authority; has a certificate of the one given."""
    if authority is None:
        return AUTHORITY.context()
    files = authority.sign("alice", names=NAMES).write(folder, "client")
    return AUTHORITY.context(client=files)


def asked(kind: str, verify: str, context: ssl.SSLContext) -> tuple[bytes, list[object]]:
    """What a client hears, and what the application is told of it."""

    async def scenario() -> tuple[bytes, list[object]]:
        async with running(kind, verify=verify) as server:
            answer = await asyncio.to_thread(_ask, server, context)
            return answer, [scope.get(CERTIFICATE) for scope in server.echo.scopes]

    return asyncio.run(scenario())


def _ask(server: Running, context: ssl.SSLContext, session: ssl.SSLSession | None = None) -> bytes:
    try:
        return server.ask(GET, context, session)
    except (ssl.SSLError, ConnectionError):
        return b""


@pytest.mark.parametrize(
    ("kind", "verify", "authority", "is_served"),
    [
        ("granian-tls", "require", AUTHORITY, True),
        ("granian-tls", "require", STRANGER, False),
        ("granian-tls", "require", None, False),
        ("openssl", "require", AUTHORITY, True),
        ("openssl", "require", STRANGER, False),
        ("openssl", "require", None, False),
        ("openssl", "optional", AUTHORITY, True),
        ("openssl", "optional", STRANGER, False),
        ("openssl", "optional", None, True),
    ],
)
def test_who_is_let_in(
    kind: str, verify: str, authority: Authority | None, is_served: bool, tmp_path: Path
) -> None:
    answer, told = asked(kind, verify, client(authority, tmp_path))

    assert answer.startswith(b"HTTP/1.1 200 ") is is_served
    assert len(told) == is_served
    if kind == "openssl" and authority is AUTHORITY:
        assert told == [ClientCertificate("alice", tuple(NAMES[:3]))]
    else:
        assert told in ([None], [])


def test_no_certificate_is_nobody() -> None:
    assert presented(None) is None
    assert presented({}) is None
    assert presented({"subject": ((("organizationName", "x"),),)}) == ClientCertificate("")


def test_session_does_not_outlive_the_authority_that_signed_for_it(tmp_path: Path) -> None:
    """A renewal with other authorities refuses who was let in before, resumed or not."""
    context = client(AUTHORITY, tmp_path)
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # where a session is there at once

    async def scenario() -> tuple[bytes, bytes]:
        async with running("openssl", verify="require") as server:
            first = await asyncio.to_thread(server.connect, context)
            assert isinstance(first, ssl.SSLSocket)
            session = first.session
            before = await asyncio.to_thread(_ask, server, context, session)
            await server.listener.renew(material(authorities=STRANGER.pem))
            first.sendall(GET)
            served = await asyncio.to_thread(first.recv, 100)
            first.close()
            assert served.startswith(b"HTTP/1.1 200 ")  # who was connected stays so

            after = await asyncio.to_thread(_ask, server, context, session)
            return before, after

    before, after = asyncio.run(scenario())
    assert before.startswith(b"HTTP/1.1 200 ")
    assert after == b""
