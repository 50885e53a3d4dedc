"""SFTP and WebDAV servers that refuse, die or fall silent: what is said, how soon, what is left."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import threading
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from tests.real.drivers.own_servers import OwnServer, own_server

from entrepot.core import AccessError, StorageError, UnavailableError
from entrepot.core.testing.material import content, get, keys, put
from entrepot.drivers.fsspec import FsspecOptions, open_fsspec

pytestmark = pytest.mark.anyio
MIB = 1024 * 1024
SECONDS = 3.0  # of the drivers' time-out
BOUND = 20.0  # seconds within which everything must have ended, on a slow machine
SECRET = "s3cr3t-word"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=["sftp", "webdav"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[OwnServer, None, None]:
    with own_server(request.param, tmp_path / "server") as server:
        yield server


@pytest.fixture(autouse=True)
async def no_threads_left() -> AsyncGenerator[None, None]:
    before = set(threading.enumerate())
    yield
    ours = {each for each in threading.enumerate() if each.name.startswith("fsspec-")} - before
    for thread in ours:
        thread.join(5)  # one that has given its result is about to end
    assert not [thread.name for thread in ours if thread.is_alive()]


def options_of(server: OwnServer, **more: Any) -> FsspecOptions:
    values = server.values
    if "url" in values:
        given = {"base_url": values["url"], "auth": [values["user"], values["password"]], **more}
        return FsspecOptions(url="webdav://registry", options=given, timeout=SECONDS)
    url = f"sftp://{values['user']}@{values['host']}:{values['port']}{values['root']}/registry"
    given = {"client_keys": [values["key"]], "known_hosts": values["known_hosts"], **more}
    return FsspecOptions(url=url, options=given, timeout=SECONDS)


def options_at(kind: str, port: int) -> FsspecOptions:
    """Options for a server of that kind which is none."""
    if kind == "sftp":
        return FsspecOptions(
            url=f"sftp://me@127.0.0.1:{port}/srv", options={"password": SECRET}, timeout=SECONDS
        )
    given = {"base_url": f"http://127.0.0.1:{port}", "auth": ["me", SECRET]}
    return FsspecOptions(url="webdav://registry", options=given, timeout=SECONDS)


async def refusal(options: FsspecOptions) -> StorageError:
    """Why a driver does not open; in time, and without a secret."""
    began = time.monotonic()
    with pytest.raises(StorageError) as caught:
        async with open_fsspec(options):
            pass
    assert time.monotonic() - began < BOUND
    assert SECRET not in str(caught.value)
    return caught.value


@pytest.fixture
def wrong_key(tmp_path: Path) -> str:
    path = str(tmp_path / "wrong.key")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path


async def test_wrong_credentials_are_named(server: OwnServer, wrong_key: str) -> None:
    more = {"auth": ["test", SECRET]} if "url" in server.values else {"client_keys": [wrong_key]}

    error = await refusal(options_of(server, **more))

    assert type(error) is AccessError
    assert error.reason.startswith("cannot open ")


async def test_unknown_host_key_is_refused_and_says_where_it_belongs(tmp_path: Path) -> None:
    (tmp_path / "known_hosts").touch()
    with own_server("sftp", tmp_path / "server") as server:
        options = options_of(server, known_hosts=str(tmp_path / "known_hosts"))
        error = await refusal(options)

    assert type(error) is AccessError
    assert "the server's host key is not known" in error.reason
    assert "known_hosts" in error.reason


@pytest.mark.parametrize("kind", ["sftp", "webdav"])
async def test_server_that_is_not_there_is_unavailable(kind: str) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        error = await refusal(options_at(kind, closed.getsockname()[1]))

    assert type(error) is UnavailableError
    assert error.reason.startswith(f"cannot open {kind}://: ")


@pytest.mark.parametrize("kind", ["sftp", "webdav"])
async def test_server_that_says_nothing_is_unavailable_in_time(kind: str) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=100) as silent:
        error = await refusal(options_at(kind, silent.getsockname()[1]))

    assert type(error) is UnavailableError


async def test_server_killed_during_a_write_leaves_the_old_content(server: OwnServer) -> None:
    old, new = content(3 * MIB, seed=1), content(9 * MIB, seed=2)

    async def killing() -> AsyncGenerator[bytes, None]:
        yield new[: 5 * MIB]
        await asyncio.to_thread(server.kill)
        yield new[5 * MIB :]

    async with open_fsspec(options_of(server)) as driver:
        await put(driver, "a", old)
        with pytest.raises(UnavailableError):
            await driver.write("a", killing())
        with pytest.raises(UnavailableError):
            await driver.stat("a")

        await asyncio.to_thread(server.start)

        assert await get(driver, "a") == old
        assert await keys(driver) == ["a"]
        await put(driver, "a", new)
        assert await get(driver, "a") == new


async def test_server_killed_during_a_read_is_no_short_object(server: OwnServer) -> None:
    data = content(24 * MIB)
    async with open_fsspec(options_of(server)) as driver:
        await put(driver, "a", data)

        read = list[bytes]()

        async def read_on() -> None:
            async with aclosing(driver.read("a")) as chunks:
                async for chunk in chunks:
                    read.append(chunk)
                    await asyncio.to_thread(server.kill)

        with pytest.raises(UnavailableError):
            await read_on()
        assert data.startswith(b"".join(read))


async def test_upload_goes_on_after_the_server_was_killed(server: OwnServer) -> None:
    data = content(5 * MIB)

    async def killing() -> AsyncGenerator[bytes, None]:
        yield data[MIB : 3 * MIB]
        await asyncio.to_thread(server.kill)
        yield data[3 * MIB :]

    async with open_fsspec(options_of(server)) as driver:
        upload = driver.upload("u")
        assert await upload.append(once(data[:MIB]), 0) == MIB
        with pytest.raises(UnavailableError):
            await upload.append(killing(), MIB)

        await asyncio.to_thread(server.start)

        size = await upload.size()
        await upload.append(once(data[size:]), size)
        await upload.commit("a", len(data))
        assert await get(driver, "a") == data
        assert await keys(driver) == ["a"]


async def test_stuck_server_is_unavailable_in_time_and_used_again_later(server: OwnServer) -> None:
    async with open_fsspec(options_of(server)) as driver:
        await put(driver, "a", b"content")
        server.freeze()
        began = time.monotonic()

        for _ in range(2):
            with pytest.raises(UnavailableError):
                await driver.stat("a")
        with pytest.raises(UnavailableError):
            await get(driver, "a")
        with pytest.raises(UnavailableError):
            await put(driver, "b")

        assert time.monotonic() - began < 3 * BOUND
        server.thaw()
        assert await get(driver, "a") == b"content"


async def test_closing_while_the_server_is_stuck_ends(server: OwnServer) -> None:
    async with open_fsspec(options_of(server)):
        server.freeze()
        began = time.monotonic()

    assert time.monotonic() - began < BOUND


async def once(data: bytes) -> AsyncGenerator[bytes, None]:
    yield data


async def test_folder_of_which_nothing_may_be_written_is_named(tmp_path: Path) -> None:
    with own_server("sftp", tmp_path / "server") as server:
        values = server.values
        url = f"sftp://{values['user']}@{values['host']}:{values['port']}/proc/registry"
        given = {"client_keys": [values["key"]], "known_hosts": values["known_hosts"]}
        error = await refusal(FsspecOptions(url=url, options=given, timeout=SECONDS))

    assert error.reason.startswith("cannot open sftp://: ")
