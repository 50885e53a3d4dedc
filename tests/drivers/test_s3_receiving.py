"""Large bodies that are received past aiohttp, from a server that may do anything."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from tests.drivers.certificates import server_tls

from entrepot.drivers.s3.receiving import body

pytestmark = pytest.mark.anyio
MIB = 1024 * 1024
SIZE = 12 * MIB + 345
CONTENT = (bytes(range(251)) * (SIZE // 251 + 1))[:SIZE]
PATIENT = 30.0  # seconds of silence
Serve = Callable[[asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(params=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """On both event loops, because each hands connections over in its own way."""
    return "asyncio", {"use_uvloop": request.param == "uvloop"}


class Server:
    """Answers one request after another with a head of its own, and what `serve` writes."""

    def __init__(self, serve: Serve) -> None:
        self.gone = asyncio.Event()  # a client hung up
        self._serve = serve

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE)
            await self._serve(writer)
            await reader.read()
        except ConnectionError:
            pass
        finally:
            self.gone.set()
            writer.close()


@asynccontextmanager
async def serving(
    serve: Serve, tls: ssl.SSLContext | None = None
) -> AsyncGenerator[tuple[aiohttp.ClientSession, Server], None]:
    """A session for the server, with one connection at a time."""
    handler = Server(serve)
    server = await asyncio.start_server(handler, "127.0.0.1", 0, ssl=tls)
    url = f"{'https' if tls else 'http'}://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    connector = aiohttp.TCPConnector(limit=1, ssl=False)
    async with server:
        async with aiohttp.ClientSession(url, connector=connector) as session:
            yield session, handler
        await asyncio.wait_for(handler.gone.wait(), 10)


@asynccontextmanager
async def answering(serve: Serve) -> AsyncGenerator[tuple[aiohttp.ClientResponse, Server], None]:
    async with serving(serve) as (session, handler):
        response = await session.get("/")
        yield response, handler
        response.close()


async def everything(writer: asyncio.StreamWriter) -> None:
    for at in range(0, SIZE, 100_000):
        writer.write(CONTENT[at : at + 100_000])
        await writer.drain()


class Endless:
    """Writes until it has to wait for the reader, or has written far too much."""

    def __init__(self) -> None:
        self.blocked = asyncio.Event()
        self.sent = 0  # MiB

    async def __call__(self, writer: asyncio.StreamWriter) -> None:
        for _ in range(200):
            writer.write(bytes(MIB))
            self.sent += 1
            try:
                await asyncio.wait_for(writer.drain(), 0.5)
            except TimeoutError:
                self.blocked.set()
                return


async def received(
    response: aiohttp.ClientResponse, left: int = SIZE, silence: float = PATIENT
) -> bytes:
    async with aclosing(body(response, left, silence)) as chunks:
        return b"".join([chunk async for chunk in chunks])


async def test_all_of_it() -> None:
    async with answering(everything) as (response, _):
        assert await received(response) == CONTENT


async def test_no_more_than_asked_for() -> None:
    async with answering(everything) as (response, _):
        assert await received(response, 5 * MIB + 1) == CONTENT[: 5 * MIB + 1]


async def test_chunks_are_about_a_mebibyte() -> None:
    async with (
        answering(everything) as (response, _),
        aclosing(body(response, SIZE, PATIENT)) as chunks,
    ):
        sizes = [len(chunk) async for chunk in chunks]

    assert max(sizes) <= MIB
    assert len(sizes) <= SIZE // MIB + 2


async def test_end_before_the_end_gives_a_true_beginning() -> None:
    async def part(writer: asyncio.StreamWriter) -> None:
        writer.write(CONTENT[: 6 * MIB + 7])
        await writer.drain()
        writer.write_eof()

    async with answering(part) as (response, _):
        assert await received(response) == CONTENT[: 6 * MIB + 7]


async def test_reset_is_never_a_whole_body() -> None:
    async def part(writer: asyncio.StreamWriter) -> None:
        writer.write(CONTENT[: 6 * MIB])
        await writer.drain()
        writer.transport.abort()

    async with answering(part) as (response, _):
        try:
            found = await received(response)
        except OSError:
            return
        assert found == CONTENT[: len(found)]
        assert len(found) < SIZE


async def test_silence_ends() -> None:
    async def part(writer: asyncio.StreamWriter) -> None:
        writer.write(CONTENT[: 2 * MIB])
        await writer.drain()

    async with answering(part) as (response, _):
        with pytest.raises(TimeoutError):
            await received(response, silence=0.2)


async def test_slow_server_is_no_silence() -> None:
    """A chunk takes much longer than a server may be silent."""

    async def slow(writer: asyncio.StreamWriter) -> None:
        writer.write(CONTENT[: SIZE - 3000])
        for at in range(SIZE - 3000, SIZE, 100):
            await writer.drain()
            await asyncio.sleep(0.05)
            writer.write(CONTENT[at : at + 100])

    async with answering(slow) as (response, _):
        assert await received(response, silence=0.5) == CONTENT


async def test_closed_early_hangs_up() -> None:
    async with answering(everything) as (response, server):
        async with aclosing(body(response, SIZE, PATIENT)) as chunks:
            await anext(chunks)

        assert response.connection is None
        await asyncio.wait_for(server.gone.wait(), 10)


async def test_cancelled_while_it_waits_hangs_up() -> None:
    waiting = asyncio.Event()

    async def part(writer: asyncio.StreamWriter) -> None:
        writer.write(CONTENT[: 5 * MIB])
        await writer.drain()

    async def read(response: aiohttp.ClientResponse) -> None:
        count = 0
        async with aclosing(body(response, SIZE, PATIENT)) as chunks:
            async for chunk in chunks:
                count += len(chunk)
                if count > 4 * MIB:
                    waiting.set()

    async with answering(part) as (response, server):
        task = asyncio.create_task(read(response))
        await asyncio.wait_for(waiting.wait(), 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert response.connection is None
        await asyncio.wait_for(server.gone.wait(), 10)


async def test_failure_before_the_first_byte_hangs_up() -> None:
    async with answering(everything) as (response, server):
        response.content.set_exception(aiohttp.ClientPayloadError("broken"))

        with pytest.raises(aiohttp.ClientPayloadError):
            await received(response)

        assert response.connection is None
        await asyncio.wait_for(server.gone.wait(), 10)


async def test_every_end_gives_the_place_in_the_pool_back() -> None:
    async with serving(everything) as (session, _), asyncio.timeout(20):
        for left in (SIZE, 5 * MIB, SIZE):
            assert await received(await session.get("/"), left) == CONTENT[:left]
            async with aclosing(body(await session.get("/"), left, PATIENT)) as chunks:
                await anext(chunks)


async def test_session_closed_meanwhile_ends_it() -> None:
    """And does not wait for a connection that it no longer hears of."""
    async with (
        serving(everything) as (session, _),
        aclosing(body(await session.get("/"), SIZE, PATIENT)) as chunks,
        asyncio.timeout(10),
    ):
        got = await anext(chunks)
        await session.close()
        got += b"".join([chunk async for chunk in chunks])

    assert CONTENT.startswith(got)
    assert len(got) < SIZE


async def test_slow_reader_slows_the_server() -> None:
    """Whatever the kernel holds, and three chunks here: not all of a body."""
    endless = Endless()

    async with answering(endless) as (response, _), aclosing(body(response, SIZE, PATIENT)) as got:
        await anext(got)
        await asyncio.wait_for(endless.blocked.wait(), 30)

    assert endless.sent < 40


async def test_what_was_not_asked_for_is_not_pulled() -> None:
    """Also while the reader is still at what it has asked for."""
    endless, left = Endless(), 5 * MIB

    async with answering(endless) as (response, _), aclosing(body(response, left, PATIENT)) as got:
        while left:
            left -= len(await anext(got))
        await asyncio.wait_for(endless.blocked.wait(), 30)

    assert endless.sent < 40


async def test_tls_stays_with_its_protocol(tmp_path: Path) -> None:
    async with serving(everything, server_tls(tmp_path)) as (session, _):
        response = await session.get("/")
        assert response.connection is not None
        transport = response.connection.transport
        assert transport is not None
        before = transport.get_protocol()
        async with aclosing(body(response, SIZE, PATIENT)) as chunks:
            first = await anext(chunks)
            assert transport.get_protocol() is before
            assert first + b"".join([chunk async for chunk in chunks]) == CONTENT
