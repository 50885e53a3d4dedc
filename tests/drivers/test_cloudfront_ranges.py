"""AWS's address ranges: what is made of them, and of what cannot be used."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Generator
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.drivers.cloudfront_edge import AWS, RANGES, Edge, running, until

from entrepot.core.networks import Address
from entrepot.drivers.cloudfront import ranges as module
from entrepot.drivers.cloudfront.ranges import Ranges, RangesError, has, kept, prefixes_of

IN_AWS, ELSEWHERE = ip_address("52.94.1.1"), ip_address("203.0.113.9")
OTHER = "it is not a file of address ranges like AWS's"
EVERY_HALF_DAY = 12 * 3600.0


@pytest.fixture
def edge(tmp_path: Path) -> Generator[Edge, None, None]:
    with running(tmp_path) as edge:
        yield edge


def ranges_at(url: str, *regions: str) -> Ranges:
    return Ranges(url + RANGES, regions, EVERY_HALF_DAY)


@given(
    st.lists(st.ip_addresses().flatmap(lambda one: st.tuples(
        st.just(one), st.integers(0, one.max_prefixlen))), min_size=1, max_size=20),
    st.ip_addresses(),
    st.integers(0, 19),
    st.integers(0, 64),
)  # fmt: skip
def test_address_is_found_in_what_networks_have_it(
    written: list[tuple[Address, int]], stranger: Address, chosen: int, near: int
) -> None:
    networks = [ip_network(f"{address}/{length}", strict=False) for address, length in written]
    file = {
        "prefixes": [entry(one, "ip_prefix") for one in networks if one.version == 4],
        "ipv6_prefixes": [entry(one, "ipv6_prefix") for one in networks if one.version == 6],
    }
    prefixes = prefixes_of(json.dumps(file).encode(), frozenset())
    first = int(networks[chosen % len(networks)].network_address)
    close = type(written[chosen % len(networks)][0])(max(0, first - near))

    for address in (stranger, close):
        assert has(prefixes, address) == any(address in network for network in networks)


def entry(network: object, key: str) -> dict[str, str]:
    return {key: str(network), "region": "us-east-1", "service": "EC2"}


def test_nobody_is_in_them_before_they_are_there() -> None:
    ranges = ranges_at("http://unused.test")

    assert not ranges.include(IN_AWS)
    assert not ranges.include(None)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "not a file of address ranges"),
        (b"<html>", "not a file of address ranges"),
        (b"[]", "not a file of address ranges"),
        (b"[" * 100_000, "not a file of address ranges"),
        (b"\xff", "not a file of address ranges"),
        (b'{"prefixes": []}', "not a file of address ranges"),
        (b'{"prefixes": [1], "ipv6_prefixes": []}', "not a file of address ranges"),
        (b'{"prefixes": [{}], "ipv6_prefixes": []}', "not a file of address ranges"),
        (b'{"prefixes": [{"ip_prefix": "a"}], "ipv6_prefixes": []}', "not a file of address"),
        (b'{"prefixes": 1, "ipv6_prefixes": []}', "not a file of address ranges"),
        (b'{"prefixes": [], "ipv6_prefixes": []}', "it has no address ranges$"),
    ],
)
def test_other_file_is_refused(content: bytes, told: str) -> None:
    with pytest.raises(RangesError, match=told):
        prefixes_of(content, frozenset())


def test_region_that_does_not_exist_is_told() -> None:
    with pytest.raises(RangesError, match=r"it has no address ranges of us-oest-1, us-vest-1$"):
        prefixes_of(json.dumps(AWS).encode(), frozenset({"us-vest-1", "us-oest-1"}))


@pytest.mark.anyio
async def test_large_file_is_not_read_to_its_end(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LARGEST", 100)

    with pytest.raises(RangesError, match="more than 100 bytes"):
        await ranges_at(edge.url).update()


class Pauses:
    """Stands in for time: changes what the server gives before each further try."""

    def __init__(self, edge: Edge, *answers: tuple[int, bytes]) -> None:
        self.waited: list[float] = []
        self._edge = edge
        self._answers = list(answers)

    async def __call__(self, seconds: float) -> None:
        self.waited.append(seconds)
        if not self._answers:
            raise asyncio.CancelledError
        self._edge.ranges = self._answers.pop(0)


async def keep(ranges: Ranges, pauses: Pauses) -> None:
    with pytest.raises(asyncio.CancelledError):
        await ranges.keep(pauses)


@pytest.mark.anyio
async def test_last_ranges_are_kept_when_there_are_no_new_ones(
    edge: Edge, caplog: pytest.LogCaptureFixture
) -> None:
    good, ranges = edge.ranges, ranges_at(edge.url)
    pauses = Pauses(edge, (503, b""), (200, b"torn {"), good, (404, b""))

    with caplog.at_level(logging.WARNING, "entrepot.cloudfront"):
        await keep(ranges, pauses)

    assert ranges.include(IN_AWS)
    assert not ranges.include(ELSEWHERE)
    assert pauses.waited == [EVERY_HALF_DAY, 60, 120, EVERY_HALF_DAY, 60]
    start = f"AWS's address ranges cannot be had from {edge.url}{RANGES}: "
    assert [record.getMessage() for record in caplog.records] == [
        f"{start}it answered 503; the last ones are used, the next try is in 60 s",
        f"{start}{OTHER}; the last ones are used, the next try is in 120 s",
        f"{start}it answered 404; the last ones are used, the next try is in 60 s",
    ]


@pytest.mark.anyio
async def test_new_ranges_replace_the_last_ones(edge: Edge) -> None:
    moved: dict[str, Any] = {
        "prefixes": [{"ip_prefix": "203.0.113.0/24", "region": "us-east-1"}],
        "ipv6_prefixes": [],
    }
    ranges = ranges_at(edge.url, "us-east-1")

    await keep(ranges, Pauses(edge, (200, json.dumps(moved).encode())))

    assert ranges.include(ELSEWHERE)
    assert not ranges.include(IN_AWS)


@pytest.mark.anyio
async def test_server_that_is_not_there_is_asked_ever_more_seldom(
    edge: Edge, caplog: pytest.LogCaptureFixture
) -> None:
    ranges = Ranges("http://127.0.0.1:1/", (), 500)
    pauses = Pauses(edge, *[(200, b"")] * 5)

    await keep(ranges, pauses)

    assert pauses.waited == [60, 120, 240, 480, 500, 500]
    assert "all clients go to CloudFront" in caplog.text


@pytest.mark.anyio
async def test_server_that_says_nothing_is_given_up(
    monkeypatch: pytest.MonkeyPatch, edge: Edge, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "_SECONDS", 0.1)

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1000):
            pass
        writer.close()

    silent = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]

    async with silent:
        await keep(Ranges(f"http://127.0.0.1:{port}/", (), 500), Pauses(edge))

    assert f"from http://127.0.0.1:{port}/: " in caplog.text


@pytest.mark.anyio
async def test_fetching_ends_with_the_driver(edge: Edge) -> None:
    ranges = ranges_at(edge.url)
    before = asyncio.all_tasks()

    async def are_there() -> bool:
        return ranges.include(IN_AWS)

    async with kept(ranges):
        await until(are_there)

    assert asyncio.all_tasks() <= before
