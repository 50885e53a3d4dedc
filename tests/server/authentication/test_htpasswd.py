"""Names and passwords: what clients send, and whom it lets in."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.server.authentication.conftest import Guarded
from tests.server.authentication.passwords import ALICE, PULL, PUSH, basic, hashed, judged

from entrepot.core.access import ANONYMOUS, Access, Identity
from entrepot.server.authentication.everyone import Everyone


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


def test_header_longer_than_8_kib_is_not_looked_at(file: Path) -> None:
    file.write_text(f"bob:{hashed('x' * 72)}\n")

    assert judged(file, basic("bob", "x" * 5000)) == "bob"
    assert judged(file, basic("bob", "x" * 8000)) == "401"


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


def test_through_the_application(file: Path, guarded: Guarded) -> None:
    client = guarded(AUTH_HTPASSWD_REALM="r", AUTH_HTPASSWD_PATH=str(file))

    assert client.get("/").status_code == 200
    assert client.get("/v2/").status_code == 401
    assert client.get("/v2/", auth=("alice", "wrong")).status_code == 401
    assert client.get("/v2/", auth=("alice", "s3cret")).status_code == 200
    assert client.get("/v2/a/tags/list", auth=("alice", "s3cret")).status_code == 404
