"""Notifications: delivered in order, again until they are taken."""

from __future__ import annotations

import asyncio

import pytest
from tests.server.notifications.notifying import (
    IMPATIENT,
    event,
    exists,
    running,
    settings,
    waiting,
)
from tests.server.notifications.receiver import Receiver, status

pytestmark = pytest.mark.anyio


async def test_delivered_in_order_one_at_a_time_over_one_connection(
    folder: str, receiver: Receiver
) -> None:
    tags = [str(number) for number in range(150)]
    async with running(settings(folder, {"url": receiver.url})) as it:
        await it.push(*tags)
        await receiver.until(len(tags))

    assert receiver.tags == tags
    assert receiver.most_at_once == 1
    assert receiver.connections == 1
    assert waiting(folder) == []


async def test_headers_of_a_request(folder: str, receiver: Receiver) -> None:
    url = receiver.url.replace("//", "//us%3Aer:pass@")
    endpoint = {"url": url, "headers": {"X-Key": ["one", "two"], "Accept": ["a/b"]}}
    async with running(settings(folder, endpoint)) as it:
        await it.push("1")

    (request,) = receiver.requests
    assert request.line == "POST /hook HTTP/1.1"
    headers = request.headers
    assert headers["content-type"] == "application/vnd.docker.distribution.events.v2+json"
    assert headers["x-key"] == "two"  # the first one is in front of it
    assert headers["accept"] == "a/b"
    assert headers["authorization"] == "Basic dXM6ZXI6cGFzcw=="
    assert headers["user-agent"].startswith("entrepot/")


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param([status(500)] * 3, id="500"),
        pytest.param([status(404)], id="404"),
        pytest.param([b"garbage\r\n\r\n"], id="garbage"),
        pytest.param([b"HTTP/1.1 200 OK\r\nConte"], id="half an answer"),
        pytest.param([b""], id="closes"),
        pytest.param([None], id="hangs"),
        pytest.param([status(307, "Location: http://127.0.0.2:1/")], id="to another host"),
        pytest.param([status(308, "Location: /again")] * 3, id="round and round"),
        pytest.param([status(308)], id="nowhere"),
    ],
)
async def test_not_taken_and_tried_again(
    folder: str, receiver: Receiver, bad: list[bytes | None]
) -> None:
    receiver.script = [*bad]
    impatient = IMPATIENT if bad[0] is None or not bad[0].endswith(b"\n") else {}
    async with running(settings(folder, {"url": receiver.url} | impatient)) as it:
        await it.push("1", "2")
        await receiver.until(len(bad) + 2)
        await it.until(successes=2)
        counts = it.counts.of("a")

    assert receiver.tags[-2:] == ["1", "2"]
    assert counts.events == 2
    assert counts.failures + counts.errors >= 1
    assert counts.statuses["200 OK"] == 2


@pytest.mark.parametrize(
    "good",
    [
        pytest.param(status(204), id="204"),
        pytest.param(status(302, "Location: http://127.0.0.2:1/"), id="302"),
        pytest.param(status(304), id="304"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nnot all", id="body that hangs"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n" + b"x" * 200_000,
            id="body without end",
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", id="bad chunk"
        ),
    ],
)
async def test_taken(folder: str, receiver: Receiver, good: bytes) -> None:
    receiver.script = [good]
    async with running(settings(folder, {"url": receiver.url})) as it:
        await it.push("1", "2")
        await receiver.until(2)
        await it.until(successes=2)

    assert receiver.tags == ["1", "2"]


async def test_sent_on_with_its_body_on_the_same_host(folder: str, receiver: Receiver) -> None:
    receiver.script = [status(307, "Location: /there")]
    endpoint = {"url": receiver.url, "headers": {"Authorization": ["Bearer t"]}}
    async with running(settings(folder, endpoint)) as it:
        await it.push("1")
        await receiver.until(2)

    assert receiver.requests[1].line == "POST /there HTTP/1.1"
    assert receiver.requests[1].body == receiver.requests[0].body
    assert receiver.requests[1].headers["authorization"] == "Bearer t"


async def test_proxy_of_the_environment_is_used(
    folder: str, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", receiver.url.removesuffix("/hook"))
    async with running(settings(folder, {"url": "http://nowhere.example/hook"})) as it:
        await it.push("1")

    assert receiver.requests[0].line == "POST http://nowhere.example/hook HTTP/1.1"


async def test_receiver_is_left_alone_after_failures_in_a_row(
    folder: str, receiver: Receiver
) -> None:
    receiver.script = [status(500)] * 20
    endpoint = {"url": receiver.url, "threshold": 3, "backoff": "1h"}
    async with running(settings(folder, endpoint)) as it:
        await it.push("1")
        await receiver.until(3)
        await it.until(failures=3)
        await asyncio.sleep(0.05)
        assert len(receiver.requests) == 3
        assert it.counts.of("a").pending == 1

    assert waiting(folder) == ["team/app:1"]


async def test_what_waits_is_delivered_after_the_next_start(
    folder: str, receiver: Receiver
) -> None:
    url = receiver.url
    receiver.script = [status(503)] * 2
    async with running(settings(folder, {"url": url, "threshold": 1, "backoff": "1h"})) as it:
        await it.push("1", "2", "3")
        await receiver.until(1)
    assert waiting(folder) == ["team/app:1", "team/app:2", "team/app:3"]
    receiver.requests.clear()
    receiver.script.clear()

    async with running(settings(folder, {"url": url})) as it:
        assert it.counts.of("a").pending == 3
        await receiver.until(3)

    assert receiver.tags == ["1", "2", "3"]


async def test_end_delivers_what_it_can(folder: str, receiver: Receiver) -> None:
    async with running(settings(folder, {"url": receiver.url})) as it:
        for number in range(100):
            await it.observe(event(str(number), "pull"))

    assert receiver.tags == [str(number) for number in range(100)]


async def test_end_does_not_wait_for_a_receiver_that_hangs(folder: str, receiver: Receiver) -> None:
    receiver.script = [None]
    async with asyncio.timeout(4):
        async with running(settings(folder, {"url": receiver.url} | IMPATIENT)) as it:
            await it.push("1", "2")

    assert waiting(folder) == ["team/app:1", "team/app:2"]


async def test_push_is_on_disk_when_it_is_told(folder: str) -> None:
    async with running(settings(folder, {"url": "http://127.0.0.1:1/"})) as it:
        await it.push("1")

        assert waiting(folder) == ["team/app:1"]


async def test_pulls_are_written_soon(folder: str) -> None:
    async with running(settings(folder, {"url": "http://127.0.0.1:1/"})) as it:
        await it.observe(event("1", "pull"))
        await it.until(pending=1)

        assert waiting(folder) == ["team/app:1"]


async def test_in_memory_what_waits_is_lost_and_the_log_says_so(
    folder: str, caplog: pytest.LogCaptureFixture
) -> None:
    configuration = settings(folder, {"url": "http://127.0.0.1:1/"}, disabled=True)
    async with running(configuration) as it:
        await it.push("1", "2")

    assert "2 event(s) for endpoint a are lost" in caplog.text
    assert not exists(folder)
