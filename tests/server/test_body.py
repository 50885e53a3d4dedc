"""Request bodies: gathered, bounded, given up on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive

from entrepot.core.errors import ManifestTooLargeError, SizeInvalidError
from entrepot.core.streams import drain
from entrepot.server import body
from entrepot.server.errors import BodyTimeoutError

pytestmark = pytest.mark.anyio
KIB = 1024


def sending(pieces: Sequence[bytes], end: Message | None = None) -> Receive:
    messages: list[Message] = [
        {"type": "http.request", "body": piece, "more_body": True} for piece in pieces
    ]
    messages.append(end or {"type": "http.request", "body": b"", "more_body": False})
    left = iter(messages)

    async def receive() -> Message:
        return next(left)

    return receive


@pytest.mark.parametrize(
    ("pieces", "want"),
    [
        ([], []),
        ([1], [1]),
        ([300 * KIB, 300 * KIB], [300 * KIB, 300 * KIB]),
        ([32 * KIB] * 64, [1024 * KIB, 1024 * KIB]),
        ([10] + [400 * KIB] * 3, [1200 * KIB + 10]),
        ([2048 * KIB], [2048 * KIB]),
    ],
)
async def test_pieces_are_gathered_to_chunks(pieces: list[int], want: list[int]) -> None:
    content = [bytes([n % 256]) * size for n, size in enumerate(pieces)]

    chunks = [chunk async for chunk in body.chunks(sending(content), 1.0)]

    assert [len(chunk) for chunk in chunks] == want
    assert b"".join(chunks) == b"".join(content)


async def test_client_that_leaves_ends_the_stream_with_an_error() -> None:
    receive = sending([b"x" * 300 * KIB], {"type": "http.disconnect"})
    chunks = body.chunks(receive, 1.0)

    assert await anext(chunks)
    with pytest.raises(ClientDisconnect):
        await anext(chunks)


async def test_client_that_sends_nothing_is_given_up_on() -> None:
    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    with pytest.raises(BodyTimeoutError):
        await anext(body.chunks(receive, 0.05))

    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_cancellation_while_waiting_is_no_timeout() -> None:
    began = asyncio.Event()

    async def receive() -> Message:
        began.set()
        await asyncio.Event().wait()
        raise AssertionError

    waiting = asyncio.ensure_future(anext(body.chunks(receive, 60.0)))
    await began.wait()
    waiting.cancel()

    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_slow_consumer_is_no_idle_client() -> None:
    receive = sending([b"x" * 300 * KIB] * 2)
    chunks = body.chunks(receive, 0.01)

    await anext(chunks)
    await asyncio.sleep(0.05)

    assert await anext(chunks)
    await chunks.aclose()


@pytest.mark.parametrize("size", [4, 6])
async def test_body_of_another_size_than_announced(size: int) -> None:
    with pytest.raises(SizeInvalidError):
        await drain(body.exactly(body.chunks(sending([b"12345"]), 1.0), size))


async def test_manifest_over_the_limit_is_not_read_to_its_end() -> None:
    with pytest.raises(ManifestTooLargeError):
        await body.whole(sending([b"x" * 300 * KIB] * 1000), 1.0, 512 * KIB)
