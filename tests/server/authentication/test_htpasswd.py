"""Names and passwords: the file, what clients send, and how much work is done for it."""

from __future__ import annotations

import asyncio
import base64
import logging
import threading
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import bcrypt
import pytest
from tests.server.authentication.conftest import Guarded

from entrepot.core.access import (
    ANONYMOUS,
    Access,
    Asking,
    Authenticator,
    BusyError,
    DeniedError,
    Identity,
    Rights,
    UnauthorizedError,
)
from entrepot.core.errors import ConfigurationError
from entrepot.server.authentication import htpasswd, users
from entrepot.server.authentication.everyone import Everyone
from entrepot.server.authentication.options import HtpasswdOptions

PULL = Access("repository", "a", "pull")
PUSH = Access("repository", "a", "push")


def hashed(password: str | bytes, cost: int = 4, prefix: bytes = b"2b") -> str:
    raw = password.encode() if isinstance(password, str) else password
    made = bcrypt.hashpw(raw, bcrypt.gensalt(cost)).decode()
    return made.replace("$2b$", f"${prefix.decode()}$", 1)


ALICE = f"alice:{hashed('s3cret')}\n"


def basic(user: str | bytes, password: str | bytes = "") -> str:
    parts = [each.encode() if isinstance(each, str) else each for each in (user, password)]
    return "Basic " + base64.b64encode(b":".join(parts)).decode()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "htpasswd"
    path.write_text(ALICE)
    return path


@asynccontextmanager
async def opened(file: Path, rights: Rights | None = None) -> AsyncGenerator[Authenticator, None]:
    options = HtpasswdOptions(realm="r", path=str(file))
    async with htpasswd.opened(options, rights or Everyone()) as authenticator:
        yield authenticator


def judged(
    file: Path,
    header: str | None,
    wanted: Sequence[Access] = (PULL, PUSH),
    rights: Rights | None = None,
) -> str:
    """The name of whom a header lets in; else the word for why not."""

    async def asking() -> str:
        async with opened(file, rights) as authenticator:
            return await said(authenticator, header, wanted)

    return asyncio.run(asking())


async def said(
    authenticator: Authenticator, header: str | None, wanted: Sequence[Access] = (PULL, PUSH)
) -> str:
    try:
        return (await authenticator.authorize(Asking(header), wanted)).name or "<nobody>"
    except UnauthorizedError as error:
        return "401" if error.challenge == 'Basic realm="r"' else error.challenge
    except DeniedError:
        return "403"
    except BusyError:
        return "429"


@pytest.mark.parametrize("prefix", [b"2a", b"2b", b"2y"])
def test_password_of_each_kind_of_hash(prefix: bytes, file: Path) -> None:
    file.write_text(f"bob:{hashed('pass:word', prefix=prefix)}")

    assert judged(file, basic("bob", "pass:word")) == "bob"
    assert judged(file, basic("bob", "pass")) == "401"


LONG = "ü" * 36  # 72 bytes

PASSWORDS: dict[str, tuple[str | bytes, str | bytes, bool]] = {
    "not latin": ("pässwörd", "pässwörd", True),
    "empty": ("", "", True),
    "with a zero in it": ("a\0b", "a\0b", True),
    "of which a part matches": ("a\0b", "a", False),
    "longer than bcrypt looks": (LONG, LONG + "x", True),
    "as long as bcrypt looks": (LONG, LONG, True),
    "one byte shorter": (LONG, LONG.encode()[:-1] + b"y", False),
}


@pytest.mark.parametrize("what", PASSWORDS)
def test_password(what: str, file: Path) -> None:
    stored, given, is_right = PASSWORDS[what]
    file.write_text(f"bob:{hashed(stored)}\n")

    assert judged(file, basic("bob", given)) == ("bob" if is_right else "401")


MALFORMED = {
    "nothing": "",
    "scheme alone": "Basic",
    "nothing encoded": "Basic ",
    "no colon": "Basic " + base64.b64encode(b"alice").decode(),
    "no base64": "Basic %%%",
    "wrong padding": "Basic YQ",
    "not UTF-8": basic(b"\xff", b"\xff"),
    "other scheme": "Bearer " + basic("alice", "s3cret")[6:],
    "letters beyond ASCII": "Basic \xe4\xf6",
    "longer than 8 KiB": basic("alice", "x" * 8192),
    "user unknown": basic("bob", "s3cret"),
    "user in other letters": basic("Alice", "s3cret"),
    "password wrong": basic("alice", "s3cret "),
    "password missing": basic("alice"),
    "user missing": basic("", "s3cret"),
    "hash as the password": basic("alice", ALICE[6:-1]),
    "nobody in particular": basic("", ""),
}


@pytest.mark.parametrize("what", MALFORMED)
@pytest.mark.parametrize("wanted", [(), (PULL,)])
def test_nobody_gets_in(what: str, wanted: Sequence[Access], file: Path) -> None:
    assert judged(file, MALFORMED[what], wanted) == "401"


@pytest.mark.parametrize("header", ["basic", "BASIC", "Basic  "])
def test_scheme_in_any_letters(header: str, file: Path) -> None:
    given = basic("alice", "s3cret").replace("Basic", header, 1)

    assert judged(file, given) == "alice"


class Readers:
    """Nobody in particular may pull, alice too, bob may push as well."""

    def allows(self, identity: Identity, access: Access) -> bool:
        return access.action == "pull" or identity.name == "bob"


@pytest.mark.parametrize(
    ("header", "wanted", "verdict"),
    [
        (None, (PULL,), "<nobody>"),
        (basic("", ""), (PULL,), "<nobody>"),
        (None, (PULL, PUSH), "401"),
        (None, (), "401"),
        (basic("alice", "s3cret"), (), "alice"),
        (basic("alice", "s3cret"), (PULL,), "alice"),
        (basic("alice", "s3cret"), (PULL, PUSH), "403"),
        (basic("alice", "wrong"), (PULL,), "401"),
        (basic("bob", "b"), (PULL, PUSH), "bob"),
    ],
)
def test_rights_are_asked(
    header: str | None, wanted: Sequence[Access], verdict: str, file: Path
) -> None:
    file.write_text(ALICE + f"bob:{hashed('b')}\n")

    assert judged(file, header, wanted, Readers()) == verdict


def test_everyone_is_everybody_with_a_name() -> None:
    assert Everyone().allows(Identity("a"), PUSH)
    assert not Everyone().allows(ANONYMOUS, PULL)


# -- the file -------------------------------------------------------------------------------

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


def test_missing_file_stops_the_start(tmp_path: Path) -> None:
    path = tmp_path / "htpasswd"
    remedy = f"make it with `htpasswd -B -c {path} USER`"
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


ALICE_IN, BOB_IN = basic("alice", "s3cret"), basic("bob", "b")


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


# -- work -----------------------------------------------------------------------------------


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
    changing(
        file,
        *[(lambda: None, basic("alice", "wrong"), "401")] * 2,
        *[(lambda: None, basic("bob", "s3cret"), "401")] * 2,
    )

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


def test_through_the_application(file: Path, guarded: Guarded) -> None:
    client = guarded(AUTH_HTPASSWD_REALM="r", AUTH_HTPASSWD_PATH=str(file))

    assert client.get("/").status_code == 200
    assert client.get("/v2/").status_code == 401
    assert client.get("/v2/", auth=("alice", "wrong")).status_code == 401
    assert client.get("/v2/", auth=("alice", "s3cret")).status_code == 200
    assert client.get("/v2/a/tags/list", auth=("alice", "s3cret")).status_code == 404
