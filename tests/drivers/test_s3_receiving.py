"""Large bodies that are received past aiohttp, from a server that may do anything."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager

import aiohttp
import pytest

from entrepot.drivers.s3.receiving import body

pytestmark = pytest.mark.anyio
MIB = 1024 * 1024
SIZE = 12 * MIB + 345
CONTENT = (bytes(range(251)) * (SIZE // 251 + 1))[:SIZE]
Serve = Callable[[asyncio.StreamWriter], Awaitable[None]]


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
async def answering(serve: Serve) -> AsyncGenerator[tuple[aiohttp.ClientResponse, Server], None]:
    handler = Server(serve)
    server = await asyncio.start_server(handler, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, aiohttp.ClientSession() as session:
        response = await session.get(f"http://127.0.0.1:{port}/")
        yield response, handler
        response.close()
        await asyncio.wait_for(handler.gone.wait(), 10)


async def everything(writer: asyncio.StreamWriter) -> None:
    for at in range(0, SIZE, 100_000):
        writer.write(CONTENT[at : at + 100_000])
        await writer.drain()


async def received(response: aiohttp.ClientResponse, left: int = SIZE) -> bytes:
    async with aclosing(body(response, left)) as chunks:
        return b"".join([chunk async for chunk in chunks])


async def test_all_of_it() -> None:
    async with answering(everything) as (response, _):
        assert await received(response) == CONTENT


async def test_no_more_than_asked_for() -> None:
    async with answering(everything) as (response, _):
        assert await received(response, 5 * MIB + 1) == CONTENT[: 5 * MIB + 1]


async def test_chunks_are_about_a_mebibyte() -> None:
    async with answering(everything) as (response, _), aclosing(body(response, SIZE)) as chunks:
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


async def test_silence_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("entrepot.drivers.s3.receiving._SILENCE", 0.2)

    async def part(writer: asyncio.StreamWriter) -> None:
        writer.write(CONTENT[: 2 * MIB])
        await writer.drain()

    async with answering(part) as (response, _):
        with pytest.raises(TimeoutError):
            await received(response)


async def test_closed_early_hangs_up() -> None:
    async with answering(everything) as (response, server):
        async with aclosing(body(response, SIZE)) as chunks:
            await anext(chunks)

        await asyncio.wait_for(server.gone.wait(), 10)


async def test_slow_reader_slows_the_server() -> None:
    """Whatever the kernel holds, and three chunks here: not all of a body."""
    sent = 0
    blocked = asyncio.Event()

    async def endless(writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        for _ in range(200):
            writer.write(bytes(MIB))
            sent += 1
            try:
                await asyncio.wait_for(writer.drain(), 0.5)
            except TimeoutError:
                blocked.set()
                return

    async with answering(endless) as (response, _), aclosing(body(response, 1000 * MIB)) as chunks:
        await anext(chunks)
        await asyncio.wait_for(blocked.wait(), 30)

    assert sent < 40
