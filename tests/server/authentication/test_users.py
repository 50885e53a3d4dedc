"""The file of users: its lines, and what changes of it do."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import bcrypt
import pytest
from tests.server.authentication.passwords import (
    ALICE,
    ALICE_IN,
    basic,
    hashed,
    judged,
    opened,
    said,
)

from entrepot.core.errors import ConfigurationError
from entrepot.server.authentication import htpasswd, users

CONTENT = f"""\ufeff# users

alice:{hashed("a")}\r
  bob:{hashed("b", 5)}\t
no colon
:{hashed("x")}
md5:$apr1$salt$hash
plain:secret
short:$2y$05$abc
cheap:{hashed("x").replace("$04$", "$03$")}
dear:{hashed("x").replace("$04$", "$18$")}
other:$2x{hashed("x")[3:]}
comment:{hashed("x")}:more
carol:{hashed("c")}
alice:{hashed("new")}
"""


def test_lines_of_a_file(caplog: pytest.LogCaptureFixture) -> None:
    found = users.parse(CONTENT.encode() + b"\xff:" + hashed("x").encode())

    assert set(found.hashes) == {"alice", "bob", "carol"}
    assert bcrypt.checkpw(b"new", found.hashes["alice"])
    told = [each.getMessage() for each in caplog.records]
    numbers = [int(each.split(maxsplit=3)[2].rstrip(":")) for each in told]
    assert numbers == [5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 16]
    assert "$" not in caplog.text
    assert "secret" not in caplog.text


def test_users_are_not_shown() -> None:
    found = users.parse(ALICE.encode())

    assert "$2" not in repr(found)
    assert "alice" not in repr(found)


@pytest.mark.parametrize(
    ("costs", "cost"), [((4, 6, 6), "06"), ((4,), "04"), ((), "05"), ((7, 4, 7, 4, 4), "04")]
)
def test_unknown_users_cost_what_most_users_do(costs: Sequence[int], cost: str) -> None:
    lines = (
        f"user{number}:{hashed('x').replace('$04$', f'${each:02}$')}\n"
        for number, each in enumerate(costs)
    )

    nobody = users.parse("".join(lines).encode()).nobody

    assert nobody.startswith(f"$2b${cost}$".encode())
    assert not bcrypt.checkpw(b"", nobody), "and it can be computed"


def test_hash_of_nobody_lets_nobody_in(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even if somebody found a password for it."""

    def easy(_: int) -> bytes:
        return hashed("x").encode()

    monkeypatch.setattr(users, "_hash_of_nothing", easy)

    assert judged(file, basic("nobody", "x")) == "401"
    assert judged(file, basic("nobody", "x"), ()) == "401"


def test_missing_file_stops_the_start(tmp_path: Path) -> None:
    path = tmp_path / "htpasswd"
    remedy = f"make it with `entrepot auth hash USER >> {path}`"
    expected = rf"^auth\.htpasswd\.path: there is no file {path}; {remedy}$"

    with pytest.raises(ConfigurationError, match=expected):
        judged(path, None)

    path.mkdir()
    with pytest.raises(ConfigurationError, match=r"cannot be read: "):
        judged(path, None)


def test_empty_file_lets_nobody_in(file: Path) -> None:
    file.write_text("")

    assert judged(file, basic("alice", "s3cret")) == "401"


def changing(file: Path, *steps: tuple[Callable[[], object], str, str]) -> None:
    """After each change, what credentials get."""

    async def asking() -> None:
        async with opened(file) as authenticator:
            for change, header, verdict in steps:
                change()
                assert await said(authenticator, header) == verdict, (header, verdict)

    asyncio.run(asking())


BOB = f"bob:{hashed('b')}\n"
BOB_IN = basic("bob", "b")


@pytest.fixture
def _every_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no request go by the look of another one in the same half millisecond."""
    monkeypatch.setattr(htpasswd, "_BETWEEN_LOOKS", 0.0)


@pytest.mark.usefixtures("_every_look")
def test_changes_count_at_once(file: Path) -> None:
    other = f"alice:{hashed('other')}\n"
    changing(
        file,
        (lambda: None, ALICE_IN, "alice"),
        (lambda: None, ALICE_IN, "alice"),
        (lambda: file.write_text(other), ALICE_IN, "401"),
        (lambda: None, basic("alice", "other"), "alice"),
        (lambda: file.write_text(other + f"bob:{hashed('b')}"), BOB_IN, "bob"),
        (lambda: file.write_text("# nobody\n"), BOB_IN, "401"),
    )


def test_known_password_is_forgotten_in_a_moment(file: Path) -> None:
    remove_alice = partial(file.write_text, BOB)

    async def asking() -> None:
        async with opened(file) as authenticator:
            assert await said(authenticator, ALICE_IN) == "alice"
            remove_alice()
            deadline = time.monotonic() + 1
            while await said(authenticator, ALICE_IN) != "401":
                assert time.monotonic() < deadline

    asyncio.run(asking())


def test_new_user_need_not_wait(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(htpasswd, "_BETWEEN_LOOKS", 1000.0)
    changing(
        file,
        (lambda: None, ALICE_IN, "alice"),
        (lambda: file.write_text(ALICE + BOB), BOB_IN, "bob"),
    )


@pytest.mark.usefixtures("_every_look")
def test_file_that_is_being_written_is_waited_for(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = f"bob:{hashed('b')}\n{ALICE}"
    changing(
        file,
        (lambda: file.write_text(""), ALICE_IN, "alice"),
        (lambda: file.write_text(whole[:-20]), BOB_IN, "401"),
        (lambda: None, ALICE_IN, "alice"),
        (lambda: file.write_text(whole), BOB_IN, "bob"),
        (file.unlink, BOB_IN, "bob"),
        (lambda: file.write_text(ALICE), BOB_IN, "401"),
    )

    told = [each.getMessage() for each in caplog.records if each.levelno >= logging.ERROR]
    assert [each.partition("cannot be used: ")[2].partition(";")[0] for each in told] == [
        "it is empty",
        "line 2 ends early",
        "No such file or directory",
    ]
