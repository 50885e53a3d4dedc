"""What single checks find: files, addresses, URLs, the storage."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx2
import pytest

from entrepot.core.errors import AccessError, StorageError, UnavailableError
from entrepot.core.streams import once
from entrepot.core.testing import Fault, FaultyDriver
from entrepot.drivers.inmemory import InMemoryDriver
from entrepot.server.health.probes import (
    FileProbe,
    HttpProbe,
    StorageProbe,
    TcpProbe,
    UnhealthyError,
    without_secrets,
)

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def answering(status: str, seen: list[bytes]) -> AsyncGenerator[int, None]:
    """A server on a free port that answers each request with one status."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 9\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_file_that_is_there(tmp_path: Path) -> None:
    path = tmp_path / "down"
    probe = FileProbe(str(path))
    await probe()

    path.touch()
    with pytest.raises(UnhealthyError, match=r"^file exists$"):
        await probe()
    path.unlink()
    await probe()


async def test_file_below_what_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    await FileProbe(str(tmp_path / "file" / "down"))()


async def test_file_that_cannot_be_looked_for(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)

    with pytest.raises(UnhealthyError, match="symbolic links"):
        await FileProbe(str(loop / "down"))()


async def test_address_that_takes_connections() -> None:
    async with answering("200 OK", []) as port:
        await TcpProbe("127.0.0.1", port)()

    with pytest.raises(UnhealthyError, match=f"^connection to 127.0.0.1:{port} failed$"):
        await TcpProbe("127.0.0.1", port)()


async def test_url_that_answers_as_wanted() -> None:
    seen: list[bytes] = []
    async with answering("204 No Content", seen) as port, httpx2.AsyncClient() as client:
        url = f"http://u:secret@127.0.0.1:{port}/path?key=secret"
        await HttpProbe(client, url, {"X-A": ("1", "2")}, 204, 10)()
        with pytest.raises(UnhealthyError, match=r"returned unexpected status: 204$"):
            await HttpProbe(client, url, {}, 200, 10)()

    assert seen[0].startswith(b"HEAD /path?key=secret HTTP/1.1\r\n")
    assert b"x-a: 1\r\nx-a: 2\r\n" in seen[0].lower()


async def test_url_that_does_not_answer_is_told_without_its_secrets() -> None:
    async with answering("200 OK", []) as port:
        pass
    async with httpx2.AsyncClient() as client:
        url = f"http://u:secret@127.0.0.1:{port}/path?key=secret"
        with pytest.raises(UnhealthyError) as caught:
            await HttpProbe(client, url, {}, 200, 10)()

    assert str(caught.value) == f"error while checking: http://127.0.0.1:{port}/path"
    assert caught.value.cause == "ConnectError"


async def test_storage_that_answers() -> None:
    store = FaultyDriver(InMemoryDriver())

    await StorageProbe(store)()
    await store.write("docker/registry/v2/repositories/_health", once(b"x"))
    await StorageProbe(store)()


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (UnavailableError("k", "signed?token=secret"), "the storage does not answer"),
        (AccessError("k", "key=secret"), "the storage refuses access"),
    ],
)
async def test_storage_that_fails_is_told_without_its_secrets(
    error: StorageError, told: str
) -> None:
    store = FaultyDriver(InMemoryDriver())
    store.faults = [Fault("stat", error=error)]

    with pytest.raises(UnhealthyError) as caught:
        await StorageProbe(store)()

    assert str(caught.value) == f"{told}; the registry's log has the cause"
    assert "secret" in caught.value.cause


def test_url_without_secrets() -> None:
    assert without_secrets("https://u:p@host:1/a?b#c") == "https://host:1/a"
    assert without_secrets("https://[::1]:1") == "https://[::1]:1"
    assert os.path.sep not in without_secrets("http://a")[7:]
