"""How an object is divided, and how parts fly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from itertools import accumulate

import pytest

from entrepot.drivers.s3.answers import Part
from entrepot.drivers.s3.body import Body, Source
from entrepot.drivers.s3.parts import MOST_PARTS, Allowance, Flight, size_of_part

MIB = 1024 * 1024
GIB = 1024 * MIB

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(("chunksize", "largest"), [(5 * MIB, 35 * MIB), (10 * MIB, 50 * MIB)])
def test_a_blob_of_100_gib_needs_neither_too_many_nor_too_large_parts(
    chunksize: int, largest: int
) -> None:
    ends = accumulate(size_of_part(number, chunksize) for number in range(1, MOST_PARTS + 1))
    needed = next(number for number, end in enumerate(ends, 1) if end >= 100 * GIB)

    assert needed < MOST_PARTS - 64
    assert size_of_part(needed, chunksize) <= largest


def test_parts_of_a_class_are_equal_and_classes_grow() -> None:
    sizes = [size_of_part(number, 5 * MIB) for number in range(1, MOST_PARTS + 1)]

    assert sizes == sorted(sizes)
    assert all(len(set(sizes[at : at + 1000])) == 1 for at in range(0, MOST_PARTS, 1000))
    assert len(set(sizes)) == 10


async def test_a_source_gives_exact_amounts_of_uneven_chunks() -> None:
    async def chunks() -> AsyncGenerator[bytes, None]:
        for chunk in (b"abc", b"", b"defghijkl"):
            yield chunk

    source = Source(chunks())
    taken: list[list[bytes]] = [[], [], []]
    assert [await source.take(5, into) for into in taken] == [True, True, False]
    assert taken == [[b"abc", b"de"], [b"fghij"], [b"kl"]]
    assert not await source.more()


class Sender:
    """Takes parts when told, and counts what it holds."""

    def __init__(self) -> None:
        self.flying = self.most = 0
        self.go = asyncio.Event()

    async def send(self, number: int, body: Body) -> Part:
        self.flying += 1
        self.most = max(self.most, self.flying)
        await self.go.wait()
        self.flying -= 1
        return Part(number, f"etag{number}", body.size)


async def test_flight_keeps_to_its_width() -> None:
    sender = Sender()
    sender.go.set()

    async with Flight(sender.send, Allowance(100)) as flight:
        for number in range(1, 21):
            await flight.add(number, Body([b"x"]))
        landed = await flight.landed()

    assert [part.number for part in landed] == list(range(1, 21))
    assert sender.most <= 3


async def test_flight_without_allowance_waits_for_each_part() -> None:
    sender = Sender()

    async with Flight(sender.send, Allowance(1)) as flight:
        adding = asyncio.ensure_future(flight.add(1, Body([b"xx"])))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not adding.done()
        sender.go.set()
        await adding

    assert sender.most == 1


async def test_allowance_is_given_back_also_by_parts_that_were_cancelled() -> None:
    sender = Sender()
    allowance = Allowance(10)

    async with Flight(sender.send, allowance) as flight:
        await flight.add(1, Body([b"x" * 10]))
        assert not allowance.take(1)
    await asyncio.sleep(0)

    assert allowance.take(10)


async def test_flight_tells_the_prefix_before_a_part_that_failed() -> None:
    async def send(number: int, body: Body) -> Part:
        if number == 3:
            raise ConnectionError
        return Part(number, "", body.size)

    async def add_all(flight: Flight) -> None:
        for number in range(1, 8):
            await flight.add(number, Body([b"x"]))

    async with Flight(send, Allowance(100)) as flight:
        with pytest.raises(ConnectionError):
            await add_all(flight)

        assert [part.number for part in await flight.prefix()] == [1, 2]
