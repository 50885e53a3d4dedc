"""The proxy of the kit: what passes, what is cut, and what is counted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress

import pytest

from entrepot.core.errors import NotFoundError, UnavailableError
from entrepot.core.testing import Failure, FaultProxy, proxying
from entrepot.core.testing.material import MIB, content, find, get, keys, put

from .http_store import HttpDriver, serving

pytestmark = pytest.mark.anyio


class OneTry(HttpDriver):
    tries = 1
    seconds = 0.5


@pytest.fixture
async def store() -> AsyncGenerator[HttpDriver, None]:
    """The store itself, past the proxy."""
    async with serving() as port:
        yield HttpDriver(f"127.0.0.1:{port}")


@pytest.fixture
async def proxy(store: HttpDriver) -> AsyncGenerator[FaultProxy, None]:
    async with proxying(*store.address) as proxy:
        yield proxy


@pytest.fixture
def driver(proxy: FaultProxy) -> HttpDriver:
    return OneTry(proxy.address)


async def test_proxy_passes_everything_by_default(proxy: FaultProxy, driver: HttpDriver) -> None:
    data = content(3 * MIB)

    await put(driver, "a/b", data)

    assert await get(driver, "a/b") == data
    assert await find(driver, "c") is None
    assert await keys(driver) == ["a/b"]
    assert (await driver.stat("a/b")).size == len(data)
    assert [str(each) for each in proxy.requests[:3]] == ["PUT /a/b", "GET /a/b", "GET /c"]
    assert await proxy.settled() == 0
    assert proxy.connections == len(proxy.requests)


async def test_proxy_answers_without_the_server(proxy: FaultProxy, driver: HttpDriver) -> None:
    proxy.failures = [Failure("answer", "PUT", "/a", status=429, retry_after=7, body=b"slow")]

    with pytest.raises(UnavailableError, match="429"):
        await put(driver, "a", content(MIB))

    assert await find(driver, "a") is None
    await put(driver, "a")
    async with driver.asking("GET", "/a") as answer:
        assert answer.head.status == 200


async def test_proxy_answer_has_fields_and_body(proxy: FaultProxy, driver: HttpDriver) -> None:
    proxy.failures = [Failure("answer", status=503, retry_after=7, body=b"slow down")]

    async with driver.asking("GET", "/a") as answer:
        body = b"".join([piece async for piece in answer.pieces()])

    assert (answer.head.status, answer.head.fields["retry-after"]) == (503, "7")
    assert body == b"slow down"


async def test_proxy_fails_the_nth_that_matches(proxy: FaultProxy, driver: HttpDriver) -> None:
    proxy.failures = [Failure("answer", "PUT", "/a/", nth=2, times=2)]

    outcomes = [
        await asyncio.gather(put(driver, key), return_exceptions=True)
        for key in ("a/1", "b", "a/2", "a/3", "a/4")
    ]

    assert [type(each) for (each,) in outcomes] == [
        type(None), type(None), UnavailableError, UnavailableError, type(None),
    ]  # fmt: skip


async def test_proxy_cuts_a_request(
    proxy: FaultProxy, driver: HttpDriver, store: HttpDriver
) -> None:
    for after in (0, 1000, MIB // 2):
        proxy.failures = [Failure("cut request", "PUT", after=after)]

        with pytest.raises(UnavailableError, match="Reset"):
            await put(driver, "a", content(MIB))

    assert await keys(store) == []


async def test_proxy_cuts_an_answer(proxy: FaultProxy, driver: HttpDriver) -> None:
    await put(driver, "a", content(MIB))
    for after in (1, 50, MIB // 2):
        proxy.failures = [Failure("cut answer", "GET", after=after)]
        read: list[bytes] = []

        with pytest.raises(UnavailableError):
            await _collect(driver, read)

        got = b"".join(read)
        assert len(got) < after
        assert content(MIB).startswith(got)


async def test_proxy_truncates_a_body(proxy: FaultProxy, driver: HttpDriver) -> None:
    await put(driver, "a", content(MIB))
    proxy.failures = [Failure("truncate", "GET", after=1000)]
    read: list[bytes] = []

    with pytest.raises(UnavailableError, match="EOFError"):
        await _collect(driver, read)

    assert b"".join(read) == content(MIB)[:1000]


async def test_proxy_drops_an_answer_of_what_was_done(
    proxy: FaultProxy, driver: HttpDriver, store: HttpDriver
) -> None:
    proxy.failures = [Failure("drop answer", "PUT")]

    with pytest.raises(UnavailableError):
        await put(driver, "a", b"content")

    assert await get(store, "a") == b"content"


async def test_proxy_stalls_until_the_driver_gives_up(
    proxy: FaultProxy, driver: HttpDriver
) -> None:
    await put(driver, "a", content(MIB))
    for action in ("stall", "stall answer"):
        proxy.failures = [Failure(action, "GET", after=200)]

        with pytest.raises(UnavailableError, match="TimeoutError"):
            await get(driver, "a")

        assert await proxy.settled() == 0


async def test_proxy_delays(proxy: FaultProxy, driver: HttpDriver) -> None:
    await put(driver, "a", b"content")
    proxy.failures = [Failure("delay", seconds=0.05)]
    loop = asyncio.get_running_loop()
    began = loop.time()

    assert await get(driver, "a") == b"content"

    assert loop.time() - began >= 0.05


async def test_proxy_refuses_and_listens_again(proxy: FaultProxy, driver: HttpDriver) -> None:
    await proxy.refuse()
    with pytest.raises(UnavailableError, match="ConnectionRefused"):
        await driver.stat("a")

    await proxy.listen()
    with pytest.raises(NotFoundError):
        await driver.stat("a")


async def test_proxy_counts_open_connections(proxy: FaultProxy, driver: HttpDriver) -> None:
    await put(driver, "a", content(8 * MIB))

    async with driver.asking("GET", "/a"):
        assert proxy.open == 1

    assert await proxy.settled() == 0


async def test_proxy_keeps_a_connection_that_a_client_keeps() -> None:
    """A server that keeps connections, and a client that uses one for several requests."""
    seen: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(EOFError):
            while line := await reader.readuntil(b"\r\n\r\n"):
                seen.append(line.split()[1].decode())
                there = writer.get_extra_info("sockname")[1]
                location = f"Location: http://127.0.0.1:{there}/next\r\n"
                chunked = "Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n0\r\n\r\n"
                writer.write(f"HTTP/1.1 200 OK\r\n{location}{chunked}".encode())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with proxying("127.0.0.1", server.sockets[0].getsockname()[1]) as other:
        host, _, port = other.address.partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        for path in ("/1", "/2"):
            writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            answer = await reader.readuntil(b"0\r\n\r\n")
            assert f"Location: http://{other.address}/next".encode() in answer
        writer.close()
        assert await other.settled() == 0
    server.close()

    assert (seen, other.connections) == (["/1", "/2"], 1)


async def test_proxy_counts_no_connection_that_the_driver_gave_up() -> None:
    """Whatever the server does: it may be too busy to answer for a long time."""
    asked = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with proxying("127.0.0.1", server.sockets[0].getsockname()[1]) as other:
        _, writer = await asyncio.open_connection(*other.address.split(":"))
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await asked.wait()
        assert other.open == 1
        writer.close()
        async with asyncio.timeout(10):
            while other.open:  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0.01)
    server.close()


async def test_proxy_shows_no_signatures(proxy: FaultProxy, driver: HttpDriver) -> None:
    await driver.ask("GET", "", "/?prefix=a&signature=secret")

    assert "secret" in proxy.requests[0].target
    assert "secret" not in f"{proxy.requests} {proxy.requests[0]}"


async def _collect(driver: HttpDriver, read: list[bytes]) -> None:
    async for chunk in driver.read("a"):
        read.append(chunk)  # noqa: PERF401 - what came before an error counts
