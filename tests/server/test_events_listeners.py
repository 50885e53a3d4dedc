"""Observers cost nobody but themselves: what they raise, how slow they are, who they are."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from tests.server.conftest import Pusher
from tests.server.listening_plugin import Observed, client_with, plugins_with

from entrepot.core.errors import ConfigurationError
from entrepot.core.events import Event, Source, Target
from entrepot.core.names import Tag
from entrepot.server.call import Call
from entrepot.server.happening import source, tag_deleted
from entrepot.server.listeners import Listener, Listeners

PEER = ("192.0.2.7", 4711)
EVENT = Event("1", 0.0, "push", Target("a"), Source("2"))


def event(number: int) -> Event:
    return Event(str(number), 0.0, "push", Target("a"), Source("2"))


async def nothing(_: Event) -> None:
    """Take it."""


async def failing(_: Event) -> None:
    raise RuntimeError("the queue is gone")


async def hanging(_: Event) -> None:
    await asyncio.Event().wait()


@pytest.mark.anyio
async def test_what_an_observer_raises_is_logged_and_the_next_one_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    seen: list[str] = []

    async def observe(event: Event) -> None:
        seen.append(event.id)

    await Listeners([Listener("bad", Observed(failing)), Listener("good", Observed(observe))]).tell(
        EVENT
    )

    assert seen == ["1"]
    assert "observer bad missed 1 event(s)" in caplog.text
    assert "RuntimeError: the queue is gone" in caplog.text


@pytest.mark.anyio
async def test_slow_observer_is_cut_off(caplog: pytest.LogCaptureFixture) -> None:
    await Listener("slow", Observed(hanging), seconds=0.01).tell(EVENT)

    assert "observer slow missed 1 event(s), the last because it took longer" in caplog.text


@pytest.mark.anyio
async def test_losses_are_logged_once_a_minute(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener = Listener("bad", Observed(failing))
    now = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    for _ in range(5):
        await listener.tell(EVENT)
    assert len(caplog.records) == 1

    now = 1061.0
    await listener.tell(EVENT)

    assert "missed 5 event(s)" in caplog.records[-1].getMessage()
    assert len(caplog.records) == 2


@pytest.mark.anyio
async def test_slow_observer_keeps_nobody_else_waiting() -> None:
    go_on = asyncio.Event()
    begun: list[str] = []

    async def observe(event: Event) -> None:
        begun.append(event.id)
        if event.id == "1":
            await go_on.wait()

    listener = Listener("slow", Observed(observe))
    async with asyncio.TaskGroup() as group:
        first = group.create_task(listener.tell(event(1)))
        await asyncio.sleep(0)
        await listener.tell(event(2))
        assert not first.done()
        assert begun == ["1", "2"]
        go_on.set()


@pytest.mark.anyio
async def test_observer_that_is_busy_misses_events_at_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("entrepot.server.listeners._WIDTH", 2)
    go_on = asyncio.Event()

    async def observe(_: Event) -> None:
        await go_on.wait()

    listener = Listener("busy", Observed(observe))
    async with asyncio.TaskGroup() as group:
        for number in range(2):
            group.create_task(listener.tell(event(number)))
        await asyncio.sleep(0)
        await listener.tell(EVENT)
        go_on.set()

    assert "because it is busy with 2 others" in caplog.text


@pytest.mark.anyio
async def test_cancelled_request_is_not_held_back() -> None:
    listener = Listener("slow", Observed(hanging))
    task = asyncio.ensure_future(listener.tell(EVENT))
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


def test_client_has_its_answer_whatever_observers_do(caplog: pytest.LogCaptureFixture) -> None:
    plugins = plugins_with({"bad": Observed(failing), "good": Observed(nothing)})
    with client_with(plugins, NOTIFICATIONS_OBSERVERS="[{name: bad}, {name: good}]") as client:
        digest, content = Pusher(client).image("a", "1")
        answer = client.get("/v2/a/manifests/1")

    assert answer.content == content
    assert answer.headers["Docker-Content-Digest"] == digest
    assert [record.levelno for record in caplog.records if "missed" in record.message] == [
        logging.ERROR
    ]


def test_disabled_observer_is_not_told() -> None:
    plugins = plugins_with({"bad": Observed(failing)})
    observers = "[{name: bad, disabled: true}]"
    with client_with(plugins, NOTIFICATIONS_OBSERVERS=observers) as client:
        app = client.app
        assert isinstance(app, Starlette)
        assert vars(app.router.default)["listeners"] is None


@pytest.mark.parametrize(
    ("observers", "told"),
    [
        ("[{name: goood}]", "notifications.observers.0.name: no observer named 'goood'"),
        ("[{name: good, options: {wrod: a}}]", "notifications.observers.0.options.wrod"),
        ("[{}]", "notifications.observers.0.name: no observer named ''"),
    ],
)
def test_mistakes_are_told_at_start(observers: str, told: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        client_with(plugins_with({"good": Observed(nothing)}), NOTIFICATIONS_OBSERVERS=observers)

    assert told in str(caught.value)


@pytest.mark.anyio
async def test_user_whose_name_is_no_text_is_told() -> None:
    told: list[Event] = []

    async def observe(event: Event) -> None:
        told.append(event)

    listeners = Listeners([Listener("good", Observed(observe))])
    scope: dict[str, Any] = {"type": "http", "headers": [], "client": PEER}
    call = Call(scope, None, None, None, None, "DELETE", "a", listeners=listeners)  # type: ignore[arg-type]
    call.account.user = "ann\ud800" + "x" * 5000

    await tag_deleted(call, Tag("1"))

    assert told[0].actor == ("ann?" + "x" * 5000)[:1024]


# -- the client's address ------------------------------------------------------------------------


def seen(headers: list[tuple[bytes, bytes]], client: tuple[str, int] | None) -> str:
    scope = {"type": "http", "headers": headers, "client": client}
    return source(Call(scope, None, None, None, None, "GET")).address  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ([], "192.0.2.7:4711"),
        ([(b"x-forwarded-for", b"198.51.100.1")], "198.51.100.1"),
        ([(b"x-forwarded-for", b" 198.51.100.1 , 10.0.0.1")], "198.51.100.1"),
        ([(b"x-forwarded-for", b"2001:db8::1")], "2001:db8::1"),
        ([(b"x-forwarded-for", b"::ffff:198.51.100.1")], "::ffff:198.51.100.1"),
        ([(b"x-forwarded-for", b"unknown, 198.51.100.1")], "192.0.2.7:4711"),
        ([(b"x-forwarded-for", b"unknown"), (b"x-real-ip", b"198.51.100.2")], "198.51.100.2"),
        ([(b"x-real-ip", b"198.51.100.2")], "198.51.100.2"),
        ([(b"x-forwarded-for", b"fe80::1%eth0")], "192.0.2.7:4711"),
        ([(b"x-forwarded-for", b"198.51.100.1:99")], "192.0.2.7:4711"),
        ([(b"x-forwarded-for", b"1" * 100_000)], "192.0.2.7:4711"),
        ([(b"x-forwarded-for", b"\xb2.1.1.1")], "192.0.2.7:4711"),
    ],
)
def test_address(headers: list[tuple[bytes, bytes]], found: str) -> None:
    assert seen(headers, PEER) == found


def test_address_of_other_peers() -> None:
    assert seen([], ("2001:db8::7", 80)) == "[2001:db8::7]:80"
    assert seen([], None) == ""


@given(st.binary(max_size=200), st.binary(max_size=60))
def test_address_is_one_whatever_headers_say(forwarded: bytes, real: bytes) -> None:
    from ipaddress import ip_address

    found = seen([(b"x-forwarded-for", forwarded), (b"x-real-ip", real)], PEER)

    assert found == "192.0.2.7:4711" or ip_address(found)
