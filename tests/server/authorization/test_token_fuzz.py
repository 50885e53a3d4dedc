"""Whatever the token service is asked: no 5xx, and nobody becomes who they are not."""

from __future__ import annotations

import base64
import json
from collections.abc import Generator
from typing import Any
from urllib.parse import urlencode

import jwt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.server.authorization.conftest import RULES, USERS
from tests.server.fuzzing import Answer, Application, Request, problems

from entrepot.core.access import ANONYMOUS, Access, Identity
from entrepot.core.configuration.model_access import AccessRules
from entrepot.core.policy import Policy
from entrepot.server.authorization.keys import write_key

POLICY = Policy(AccessRules.model_validate({"rules": RULES}))
PASSWORDS = {"alice": "s3cret", "bob": "hunter2"}

WORDS = st.sampled_from(
    [
        *(
            "alice",
            "bob",
            "s3cret",
            "hunter2",
            "",
            "entrepot",
            "other",
            "docker",
            "true",
            "offline",
        ),
        *(
            "password",
            "refresh_token",
            "a\r\nSet-Cookie: a=b",
            "\0",
            "é",
            "x" * 9000,
            "%",
            "&",
            "=",
        ),
        *("repository:team/app:pull,push", "registry:catalog:*", "repository:bob/a:*", "a:b:c:d"),
        *("repository:public/app:pull", "repository:..:pull", "repository(plugin):bob/x:delete"),
        *("REFRESH", "ACCESS"),  # stands for a token that is good
    ]
)
TEXTS = WORDS | st.text(max_size=10)
NAMES = st.sampled_from(
    [
        *("service", "scope", "scope", "account", "client_id", "offline_token", "grant_type"),
        *("username", "password", "refresh_token", "access_type", "other"),
    ]
)
FIELDS = st.lists(st.tuples(NAMES, TEXTS), max_size=6)
LOGINS = st.sampled_from(
    [
        *(
            [("grant_type", "password"), ("username", user), ("password", password)]
            for user in ("alice", "bob", "eve")
            for password in ("s3cret", "hunter2")
        ),
        [("grant_type", "refresh_token"), ("refresh_token", "REFRESH")],
        [("grant_type", "refresh_token"), ("refresh_token", "ACCESS")],
    ]
)
USERS_TRIED = st.tuples(WORDS, WORDS) | st.sampled_from(sorted(PASSWORDS.items()))
QUERIES = FIELDS.map(urlencode) | st.text(st.characters(max_codepoint=255), max_size=30)
KINDS = st.sampled_from(
    ["application/x-www-form-urlencoded"] * 6 + ["Application/X-www-form-urlencoded;a=b", "a", ""]
)


def basic(pair: tuple[str, str]) -> str:
    return "Basic " + base64.b64encode(":".join(pair).encode()).decode()


HEADERS = (
    st.none() | USERS_TRIED.map(basic) | st.text(st.characters(max_codepoint=255), max_size=20)
)


@st.composite
def requests(draw: st.DrawFn) -> Request:
    method = draw(st.sampled_from(["GET"] * 5 + ["POST"] * 6 + ["PUT"]))
    address = f"203.0.113.{draw(st.integers(1, 250))}"
    headers = [("x-forwarded-for", address), ("content-type", draw(KINDS))]
    header = draw(HEADERS)
    if header is not None:
        headers.append(("authorization", header))
    asked = st.lists(st.tuples(st.sampled_from(["scope", "service", "access_type"]), WORDS))
    form = urlencode([*draw(LOGINS), *draw(asked)]) if draw(st.booleans()) else draw(QUERIES)
    query = draw(QUERIES)
    cut_off = draw(st.sampled_from([False] * 9 + [True]))
    pieces = (form[:5].encode(), form[5:].encode())
    return Request(method, "/auth/token", query, tuple(headers), pieces, cut_off)


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Generator[Application, None, None]:
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "users").write_text(USERS)
    write_key(str(folder / "key.pem"))
    options = {
        "htpasswd": str(folder / "users"),
        "keys": [str(folder / "key.pem")],
        "trustedproxies": ["127.0.0.1"],
    }
    rules = json.dumps({"rules": RULES})
    with Application(AUTH=json.dumps({"entrepot": options}), ACCESS=rules) as opened:
        yield opened


@pytest.fixture(scope="module")
def good(application: Application) -> dict[str, str]:
    """An access token and a refresh token of bob."""
    header = ("authorization", basic(("bob", "hunter2")))
    scope = urlencode({"scope": "repository:bob/a:pull,push", "offline_token": "true"})
    answer = application.ask(Request("GET", "/auth/token", scope, (header,)))
    body = json.loads(answer.body)
    return {"ACCESS": body["token"], "REFRESH": body["refresh_token"]}


def proven(request: Request) -> set[str]:
    """Who the request may be from, whatever of it is looked at."""
    said = request.query + b"".join(request.pieces).decode() + str(request.headers)
    found = {""}
    for user, password in PASSWORDS.items():
        if basic((user, password)) in said or password in said:
            found.add(user)
    return found


def check(request: Request, answer: Answer, good: dict[str, str]) -> None:
    assert not problems(request, answer)
    assert not any("\r" in value or "\n" in value for value in answer.headers.values())
    assert "set-cookie" not in answer.headers
    if answer.status != 200:
        assert b"eyJ" not in answer.body
        return
    claims: dict[str, Any] = jwt.decode(
        json.loads(answer.body)["token"], options={"verify_signature": False}
    )
    who = claims["sub"]
    is_refreshed = good["REFRESH"].encode() in b"".join(request.pieces)
    assert who in proven(request) or (who == "bob" and is_refreshed)
    identity = Identity(who) if who else ANONYMOUS
    for one in claims["access"]:
        for action in one["actions"]:
            assert POLICY.allows(identity, Access(one["type"], one["name"], action))


@settings(max_examples=250, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(request=requests())
def test_nobody_gets_what_is_not_theirs(
    application: Application, good: dict[str, str], request: Request
) -> None:
    whole = b"".join(request.pieces)
    for word, token in good.items():
        whole = whole.replace(f"={word}".encode(), f"={token}".encode())
    asked = Request(
        request.method, request.path, request.query, request.headers, (whole,), request.cut_off
    )

    check(asked, application.ask(asked), good)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(at=st.integers(0, 2000), character=st.sampled_from("AaZz09-_.=+/ é"), cut=st.booleans())
def test_token_with_a_changed_character_opens_nothing(
    application: Application, good: dict[str, str], at: int, character: str, cut: bool
) -> None:
    token = good["ACCESS"]
    at %= len(token)
    changed = token[:at] if cut else token[:at] + character + token[at + 1 :]
    header = ("authorization", f"Bearer {changed}")

    answer = application.ask(Request("GET", "/v2/bob/a/tags/list", "", (header,)))

    assert answer.status == (404 if bits(changed) == bits(token) else 401), changed


def bits(token: str) -> list[bytes]:
    """What is signed, and the signature, whose last character has bits that mean nothing."""
    signed, _, signature = token.rpartition(".")
    try:
        return [signed.encode(), base64.urlsafe_b64decode(signature + "==")]
    except ValueError:
        return [token.encode()]


HOSTS = st.sampled_from(
    ["a", "a:5", "[::1]:5", 'a"', "a b", "a\r\nb: c", "", "é", "a/b", "a,b", "a@b", "[", "a:b"]
)


@settings(max_examples=100, deadline=None)
@given(host=HOSTS | st.text(st.characters(max_codepoint=255), max_size=8), name=HOSTS)
def test_challenge_is_one_header_whatever_the_host(
    application: Application, host: str, name: str
) -> None:
    headers = (("x-forwarded-host", host), ("forwarded", f'host="{name}"'))
    for sent in (headers[:1], headers[1:], headers):
        answer = application.ask(Request("GET", "/v2/", "", sent))

        challenge = answer.headers["www-authenticate"]
        assert answer.status == 401
        assert challenge.count('"') == 4
        assert challenge.isprintable()
