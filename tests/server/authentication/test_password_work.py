"""How much work is done for passwords, and when it is not done again."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from pathlib import Path

import bcrypt
import pytest
from tests.server.authentication.passwords import ALICE_IN, basic, judged, opened, said

from entrepot.server.authentication import htpasswd


class Counter:
    """bcrypt that can be counted and held up."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self.threads: set[str] = set()
        self.go = threading.Event()
        self.go.set()
        self._checkpw = bcrypt.checkpw
        monkeypatch.setattr(bcrypt, "checkpw", self._count)

    def _count(self, password: bytes, stored: bytes) -> bool:
        self.count += 1
        self.threads.add(threading.current_thread().name)
        self.go.wait(10)
        return self._checkpw(password, stored)


@pytest.fixture
def counter(monkeypatch: pytest.MonkeyPatch) -> Counter:
    return Counter(monkeypatch)


def test_right_password_is_hashed_once_a_minute(
    file: Path, counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def asking() -> None:
        now = time.monotonic()
        async with opened(file) as authenticator:
            for _ in range(5):
                assert await said(authenticator, ALICE_IN) == "alice"
            assert counter.count == 1
            assert await said(authenticator, basic("alice", "wrong")) == "401"
            monkeypatch.setattr(time, "monotonic", lambda: now + htpasswd.KEPT + 5)
            assert await said(authenticator, ALICE_IN) == "alice"
            assert counter.count == 3

    asyncio.run(asking())


def test_wrong_password_is_hashed_every_time(file: Path, counter: Counter) -> None:
    for header in (basic("alice", "wrong"), basic("bob", "s3cret")):
        assert judged(file, header) == "401"
        assert judged(file, header) == "401"

    assert counter.count == 4, "for unknown users as well"


def test_requests_that_come_together_share_the_work(file: Path, counter: Counter) -> None:
    counter.go.clear()

    async def asking() -> list[str]:
        async with opened(file) as authenticator, asyncio.TaskGroup() as group:
            tasks = [group.create_task(said(authenticator, ALICE_IN)) for _ in range(50)]
            await asyncio.sleep(0)
            counter.go.set()
        return [task.result() for task in tasks]

    assert asyncio.run(asking()) == ["alice"] * 50
    assert counter.count == 1
    assert all(name.startswith("bcrypt") for name in counter.threads)


def test_flood_of_wrong_passwords_is_bounded(file: Path, counter: Counter) -> None:
    async def asking() -> list[str]:
        async with opened(file) as authenticator:
            assert await said(authenticator, ALICE_IN) == "alice"
            counter.go.clear()
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(said(authenticator, basic("bob", str(number))))
                    for number in range(100)
                ]
                await asyncio.sleep(0)
                assert await said(authenticator, ALICE_IN) == "alice", "who was in stays in"
                counter.go.set()
        return [task.result() for task in tasks]

    results = asyncio.run(asking())

    assert results.count("401") == 64
    assert results.count("429") == 36
    assert counter.count == 65


def test_client_that_leaves_does_not_take_others_with_it(file: Path, counter: Counter) -> None:
    counter.go.clear()

    async def asking() -> str:
        async with opened(file) as authenticator:
            leaving = asyncio.create_task(said(authenticator, ALICE_IN))
            staying = asyncio.create_task(said(authenticator, ALICE_IN))
            await asyncio.sleep(0)
            leaving.cancel()
            counter.go.set()
            with pytest.raises(asyncio.CancelledError):
                await leaving
            return await staying

    assert asyncio.run(asking()) == "alice"
    assert counter.count == 1


def test_what_is_logged_of_wrong_passwords(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    assert judged(file, basic("alice", "pa55word")) == "401"
    assert judged(file, basic("pa55word", "pa55word")) == "401"
    assert judged(file, basic("alice", "s3cret")) == "alice"

    assert "wrong user name or password: 'alice'" in caplog.text
    assert "pa55word" not in caplog.text
    assert "s3cret" not in caplog.text
