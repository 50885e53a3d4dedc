"""Notifications that are given up, ignored, shared by processes, or find a full disk."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest
from tests.server.notifications.notifying import Running, event, reasons, running, settings, waiting
from tests.server.notifications.receiver import OK, Receiver, open_receiver, status

from entrepot.core.configuration import Duration
from entrepot.server.notifications.letters import Letter
from entrepot.server.notifications.outbox import Outbox, Room

pytestmark = pytest.mark.anyio


# -- giving up -----------------------------------------------------------------------------------


async def test_refused_too_often_it_becomes_a_dead_letter(folder: str, receiver: Receiver) -> None:
    receiver.script = [status(400), b"", status(400), status(410), OK]
    endpoint = {"url": receiver.url, "maxattempts": 3}
    async with running(settings(folder, endpoint)) as it:
        await it.push("1", "2")
        await it.until(dead=1, successes=1)

    assert receiver.tags == ["1", "1", "1", "1", "2"]
    assert reasons(folder) == [
        ("team/app:1", "refused 3 times; at last it answered 410 Gone"),
    ]


async def test_too_old_they_become_dead_letters_at_once(folder: str, receiver: Receiver) -> None:
    endpoint = {"url": receiver.url, "threshold": 1, "backoff": "1h"}
    receiver.script = [status(500)] * 3
    async with running(settings(folder, endpoint)) as it:
        await it.push("1", "2", "3")
        await receiver.until(1)
    receiver.requests.clear()

    async with running(settings(folder, endpoint | {"maxage": "1h"})) as it:
        await it.until(dead=3)

    assert {reason for _, reason in reasons(folder)} == {
        "older than 3600 s; at last it answered 500 Internal Server Error"
    }
    assert receiver.tags == ["1"]


async def test_without_limits_it_is_tried_without_end(folder: str, receiver: Receiver) -> None:
    receiver.script = [status(400)] * 30
    async with running(settings(folder, {"url": receiver.url})) as it:
        await it.push("1")
        await receiver.until(31)
        await it.until(successes=1, failures=30)

    assert reasons(folder) == []


async def test_replayed_letter_is_sent(folder: str, receiver: Receiver) -> None:
    receiver.script = [status(400)]
    endpoint = {"url": receiver.url, "maxattempts": 1}
    async with running(settings(folder, endpoint)) as it:
        await it.push("1")
        await it.until(dead=1)
        other = Outbox(folder)
        assert other.replay("a", None) == 1
        other.close()
        await receiver.until(2)
        await it.until(successes=1, dead=0)

    assert receiver.tags == ["1", "1"]


# -- who gets what -------------------------------------------------------------------------------


async def test_endpoints_get_what_they_do_not_ignore(folder: str) -> None:
    blob = "application/octet-stream"
    async with open_receiver() as all_, open_receiver() as no_pulls, open_receiver() as no_blobs:
        endpoints: list[dict[str, Any]] = [
            {"name": "all", "url": all_.url},
            {"name": "no pulls", "url": no_pulls.url, "ignore": {"actions": ["pull"]}},
            {
                "name": "no blobs",
                "url": no_blobs.url,
                "ignoredmediatypes": ["a/b"],
                "ignore": {"mediatypes": ["application/octet-stream"]},
            },
        ]
        async with running(settings(folder, *endpoints)) as it:
            await it.observe(event("pull", "pull"))
            await it.observe(event("blob", "push", blob))
            await it.observe(event("old", "push", "a/b"))
            await it.observe(event("gone", "delete"))

        assert all_.tags == ["pull", "blob", "old", "gone"]
        assert no_pulls.tags == ["blob", "old", "gone"]
        assert no_blobs.tags == ["pull", "gone"]


async def test_one_receiver_does_not_hold_up_another(folder: str, receiver: Receiver) -> None:
    async with open_receiver([None]) as hanging:
        endpoints = [
            {"name": "h", "url": hanging.url, "timeout": "1h"},
            {"url": receiver.url},
        ]
        configuration = settings(folder, *endpoints)
        quick = configuration.model_copy(
            update={
                "http": configuration.http.model_copy(
                    update={"draintimeout": Duration.parse("50ms")}
                )
            }
        )
        async with running(quick) as it:
            await it.push("1", "2")
            await receiver.until(2)

    assert receiver.tags == ["1", "2"]
    assert len(hanging.requests) == 1


async def test_processes_that_share_an_outbox_send_in_turn(folder: str, receiver: Receiver) -> None:
    configuration = settings(folder, {"url": receiver.url})
    async with running(configuration) as first:
        await first.push("0")
        await receiver.until(1)
        async with running(configuration) as second:
            for number in range(1, 40):
                await (first if number % 2 else second).push(str(number))
            await receiver.until(40)

    assert receiver.tags == [str(number) for number in range(40)]
    assert receiver.most_at_once == 1


async def test_another_process_goes_on_where_one_ended(folder: str, receiver: Receiver) -> None:
    configuration = settings(folder, {"url": receiver.url})
    async with running(configuration) as second:
        async with running(configuration) as first:
            await first.push("1")
            await receiver.until(1)
        await second.push("2")
        await receiver.until(2)

    assert receiver.tags == ["1", "2"]


# -- a disk that takes nothing -------------------------------------------------------------------


async def fill(it: Running, pages: int) -> None:
    """Let the disk be full, or not."""
    database: sqlite3.Connection = it.notifications.keeper.outbox.database
    await it.notifications.keeper.ask(database.execute, f"PRAGMA max_page_count = {pages}")


async def test_full_disk_keeps_events_in_memory_and_nobody_waiting(
    folder: str, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.script = [None]
    endpoint = {"url": receiver.url, "timeout": "10s"}
    async with running(settings(folder, endpoint)) as it:
        await it.push("1")
        await receiver.until(1)
        await fill(it, 1)
        for number in range(2, 5):
            await it.observe(event(str(number), origin="x" * 100_000))
        assert "outbox: cannot be written, events are kept in memory" in caplog.text
        await fill(it, 100_000)
        receiver.let_go()
        await it.until(successes=4)

    assert receiver.tags == ["1", "1", "2", "3", "4"]


async def test_memory_is_bounded_while_the_disk_takes_nothing(
    folder: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("entrepot.server.notifications.keeping.MOST", 20)
    endpoint = {"url": "http://127.0.0.1:1/", "threshold": 1, "backoff": "1h"}
    async with running(settings(folder, endpoint)) as it:
        await fill(it, 1)
        for number in range(10):
            await it.observe(event(f"push{number}", origin="x" * 100_000))
        for number in range(50):
            await it.observe(event(f"pull{number}", "pull"))
        dropped = it.counts.of("a").dropped
        await fill(it, 100_000)
        await it.until(pending=60 - dropped)

    left = waiting(folder)
    assert 40 <= dropped <= 44
    assert left[:10] == [f"team/app:push{number}" for number in range(10)]
    assert left[-1] == "team/app:pull49"
    assert "too many wait in memory for the disk" in caplog.text


async def test_what_the_disk_never_took_is_lost_at_the_end_and_the_log_says_so(
    folder: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(settings(folder, {"url": "http://127.0.0.1:1/"})) as it:
        await fill(it, 1)
        await it.observe(event("1", origin="x" * 100_000))

    assert "1 event(s) are lost: the outbox cannot be written" in caplog.text


async def test_disk_that_cannot_forget_makes_no_event_come_twice(
    folder: str, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Outbox.settle
    failures = [sqlite3.OperationalError("database or disk is full")] * 3

    def settle(
        outbox: Outbox, endpoint: str, gone: list[int], refused: list[tuple[int, int]] | None = None
    ) -> Room:
        if failures:
            raise failures.pop()
        return real(outbox, endpoint, gone, refused or ())

    monkeypatch.setattr(Outbox, "settle", settle)
    async with running(settings(folder, {"url": receiver.url})) as it:
        await it.push("1", "2")
        await it.until(successes=2, pending=0)

    assert receiver.tags == ["1", "2"]
    assert waiting(folder) == []


async def test_sender_outlives_what_nobody_foresaw(
    folder: str,
    receiver: Receiver,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = Outbox.first
    failures = [KeyError("one"), OSError("two")]

    def first(outbox: Outbox, endpoint: str, most: int) -> list[Letter]:
        if failures:
            raise failures.pop()
        return real(outbox, endpoint, most)

    monkeypatch.setattr(Outbox, "first", first)
    async with running(settings(folder, {"url": receiver.url})) as it:
        await it.push("1")
        await receiver.until(1)

    assert "nothing can be sent for now: OSError: two" in caplog.text


async def test_header_that_cannot_be_sent_is_not_logged(
    folder: str, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    patience = {"threshold": 1, "backoff": "1h"}
    endpoint = {"url": receiver.url, "headers": {"X-Key": ["s3cret\nmore"]}}
    async with running(settings(folder, endpoint | patience)) as it:
        await it.push("1")
        await it.until(errors=1)

    assert "endpoint a does not take events: LocalProtocolError" in caplog.text
    assert "s3cret" not in caplog.text
