"""Failed logins: who has to wait, for how long, and who has not."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
from starlette.testclient import TestClient
from tests.server.authorization.conftest import ALICE, BOB, ask

from entrepot.core.access import BusyError
from entrepot.server.authentication import htpasswd
from entrepot.server.authorization.failures import Failures
from entrepot.server.authorization.turns import Turns

WRONG = ("alice", "wrong")


def fail(failures: Failures, address: str, user: str, times: int, now: float = 0.0) -> None:
    for _ in range(times):
        assert failures.wait(address, user, now) == 0
        failures.add(address, user, now)


def test_tenth_failure_of_a_user_is_the_last_for_a_while() -> None:
    failures = Failures()
    fail(failures, "192.0.2.1", "alice", 10)

    assert failures.wait("192.0.2.1", "alice", 0) == 6
    assert failures.wait("192.0.2.1", "alice", 5) == 1
    assert failures.wait("192.0.2.1", "alice", 6) == 0
    assert failures.wait("192.0.2.1", "bob", 0) == 0
    assert failures.wait("192.0.2.2", "alice", 0) == 0


def test_budget_is_full_again_in_the_end() -> None:
    failures = Failures()
    fail(failures, "192.0.2.1", "alice", 10)

    fail(failures, "192.0.2.1", "alice", 10, now=60)

    assert failures.wait("192.0.2.1", "alice", 60) == 6


def test_address_that_tries_many_users_has_to_wait() -> None:
    failures = Failures()
    for number in range(100):
        fail(failures, "192.0.2.1", f"user{number}", 1)

    assert failures.wait("192.0.2.1", "another", 0) == 1
    assert failures.wait("192.0.2.2", "another", 0) == 0


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:3:4:5:6", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("no:address", "no:address", True),
        ("", "", True),
    ],
)
def test_network_of_an_ipv6_address_counts_as_one(one: str, other: str, same: bool) -> None:
    failures = Failures()
    fail(failures, one, "alice", 10)

    assert (failures.wait(other, "alice", 0) > 0) == same


def test_memory_is_bounded() -> None:
    failures = Failures(most=100)
    for number in range(1000):
        failures.add(f"192.0.2.{number}", "u" * 10_000, 0)

    assert len(failures) == 200


def test_guesser_has_to_wait_and_others_have_not(service: TestClient) -> None:
    answers = [ask(service, WRONG) for _ in range(11)]

    assert [answer.status_code for answer in answers] == [401] * 10 + [429]
    last = answers[-1]
    assert 1 <= int(last.headers["Retry-After"]) <= 6
    assert last.json()["errors"][0]["code"] == "TOOMANYREQUESTS"
    assert ask(service, ALICE).status_code == 429
    assert ask(service, BOB).status_code == 200


def test_success_costs_nothing(service: TestClient) -> None:
    assert {ask(service, ALICE).status_code for _ in range(30)} == {200}


def test_token_and_refresh_go_on_while_logins_have_to_wait(service: TestClient) -> None:
    login = ask(service, ALICE, offline_token="true").json()
    for _ in range(11):
        ask(service, WRONG)
    form = {"grant_type": "refresh_token", "refresh_token": login["refresh_token"]}

    assert service.post("/auth/token", data=form).status_code == 200
    header = {"Authorization": f"Bearer {login['token']}"}
    assert service.get("/v2/", headers=header).status_code == 200


@pytest.mark.anyio
async def test_turns_are_few_and_who_cannot_wait_is_sent_away() -> None:
    turns = Turns(2, 3)
    running, most, ended = 0, 0, asyncio.Event()

    async def work() -> None:
        nonlocal running, most
        async with turns.take():
            running += 1
            most = max(most, running)
            await ended.wait()
            running -= 1

    working = [asyncio.create_task(work()) for _ in range(5)]
    await asyncio.sleep(0)
    with pytest.raises(BusyError):
        await asyncio.wait_for(work(), 5)
    working[4].cancel()
    await asyncio.wait([working[4]])
    working.append(asyncio.create_task(work()))
    ended.set()
    await asyncio.wait(working)

    assert (most, running) == (2, 0)
    assert [task.cancelled() for task in working] == [False] * 4 + [True, False]
    await work()


def test_many_guesses_at_once_overrun_the_limit_by_little(
    service: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    guesses: list[str] = []

    async def slowly(_: object, __: str, password: str) -> bool:
        guesses.append(password)
        await asyncio.sleep(0.01)
        return False

    monkeypatch.setattr(htpasswd.Htpasswd, "verify", slowly)

    with ThreadPoolExecutor(40) as pool:
        running = [pool.submit(ask, service, ("alice", f"guess{number}")) for number in range(40)]
        statuses = [one.result().status_code for one in running]

    assert 10 <= len(guesses) <= 13
    assert set(statuses) == {401, 429}
