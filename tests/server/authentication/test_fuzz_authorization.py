"""Whatever stands in an Authorization header: nobody gets in by it, and nothing breaks."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Generator
from pathlib import Path
from typing import Any

import bcrypt
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.server.authentication.minting import (
    ISSUER,
    SERVICE,
    Authority,
    claims,
    encoded,
    minted,
    new_key,
    pem,
    public_jwk,
)
from tests.server.fuzzing import Application, Request, problems

ROOT = Authority("root")
KEY = new_key()
OTHER = new_key()
CHALLENGES = {
    "htpasswd": re.compile(r'Basic realm="r"'),
    "token": re.compile(
        r'Bearer realm="https://t\.test/",service="registry\.test"'
        r'(,scope="repository:a:pull")?(,error="(invalid_token|insufficient_scope)")?'
    ),
}
PATHS = ["/v2/", "/v2/a/tags/list"]

LATIN = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"), max_size=200)
BASIC = st.binary(max_size=120).map(lambda raw: "Basic " + base64.b64encode(raw).decode())


def basic(user: str, password: str) -> str:
    return "basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


USERS = st.builds(
    basic,
    st.sampled_from(["alice", "", "bob", "alice\0"]) | st.text(max_size=9),
    st.text(max_size=100).filter(lambda text: text != "s3cret"),
)

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9)
JSON: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)
HEADERS = st.fixed_dictionaries(
    {"alg": st.sampled_from(["ES256", "HS256", "none", "RS256", "EdDSA", ""]) | JSON},
    optional={
        "kid": st.sampled_from(["a", "b", "a="]) | JSON,
        "x5c": st.sampled_from([ROOT.x5c(), [], ROOT.x5c() * 9]) | JSON,
        "jwk": st.sampled_from([public_jwk(OTHER), public_jwk(OTHER, kid="a"), public_jwk(KEY)])
        | JSON,
        "crit": JSON,
        "typ": JSON,
    },
)
CHANGES = st.dictionaries(
    st.sampled_from(["iss", "aud", "sub", "exp", "nbf", "access"]), JSON, max_size=2
)
PARTS = st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode())


def joined(header: Any, changes: dict[str, Any], signature: bytes) -> str:
    parts = (json.dumps(header).encode(), json.dumps(claims() | changes).encode(), signature)
    return ".".join(map(encoded, parts))


UNSIGNED = st.builds(joined, HEADERS, CHANGES, st.binary(max_size=70) | st.just(b"\0" * 64))
NONSENSE = st.lists(PARTS.map(encoded) | LATIN, min_size=1, max_size=4).map(".".join)
TOKENS = (UNSIGNED | NONSENSE).map("Bearer {}".format)


@pytest.fixture(scope="module")
def applications(
    tmp_path_factory: pytest.TempPathFactory,
) -> Generator[dict[str, Application], None, None]:
    folder: Path = tmp_path_factory.mktemp("auth")
    hashed = bcrypt.hashpw(b"s3cret", bcrypt.gensalt(4)).decode()
    (folder / "htpasswd").write_text(f"alice:{hashed}\n")
    (folder / "bundle.pem").write_bytes(pem(ROOT.certificate))
    (folder / "jwks.json").write_text(json.dumps({"keys": [public_jwk(KEY, kid="a")]}))
    token = {"realm": "https://t.test/", "service": SERVICE, "issuer": ISSUER}
    token |= {"rootcertbundle": f"{folder}/bundle.pem", "jwks": f"{folder}/jwks.json"}
    by_password = {"htpasswd": {"realm": "r", "path": f"{folder}/htpasswd"}}
    with (
        Application(AUTH=json.dumps(by_password)) as htpasswd,
        Application(AUTH=json.dumps({"token": token})) as tokens,
    ):
        yield {"htpasswd": htpasswd, "token": tokens}


def check(application: Application, way: str, path: str, header: str) -> None:
    request = Request("GET", path, "", (("Authorization", header),))

    answer = application.ask(request)

    assert answer.status == 401
    assert not problems(request, answer)
    assert CHALLENGES[way].fullmatch(answer.headers["www-authenticate"])


FUZZ = settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@settings(FUZZ, max_examples=400)
@given(
    header=LATIN | BASIC | USERS | TOKENS,
    way=st.sampled_from(list(CHALLENGES)),
    path=st.sampled_from(PATHS),
)
@example("Basic " + "QQ" * 5000, "htpasswd", "/v2/")
@example("Bearer " + "." * 9000, "token", "/v2/")
@example("Bearer " + "a" * 100_000, "token", "/v2/")
def test_any_header(applications: dict[str, Application], header: str, way: str, path: str) -> None:
    check(applications[way], way, path, header)


@settings(FUZZ, max_examples=200)
@given(data=st.data())
def test_any_change_of_a_good_token(
    applications: dict[str, Application], data: st.DataObject
) -> None:
    """Of a token that would be let in, whatever byte is another one."""
    good = minted(KEY, "ES256", {"kid": "a"}, claims())
    parts = [base64.urlsafe_b64decode(part + "==") for part in good.split(".")]
    which = data.draw(st.sampled_from(range(3)))
    at = data.draw(st.integers(0, len(parts[which]) - 1))
    flipped = bytearray(parts[which])
    flipped[at] ^= data.draw(st.integers(1, 255))
    parts[which] = bytes(flipped)

    check(applications["token"], "token", "/v2/", "Bearer " + ".".join(map(encoded, parts)))


@settings(FUZZ, max_examples=150)
@given(changes=CHANGES, header=HEADERS)
def test_any_claims_under_a_good_signature(
    applications: dict[str, Application], changes: dict[str, Any], header: dict[str, Any]
) -> None:
    """Whatever a token server writes: let in or refused, never an error of ours."""
    header |= {"alg": "ES256"}
    token = minted(KEY, "ES256", header, claims() | changes)
    request = Request("GET", "/v2/", "", (("Authorization", f"Bearer {token}"),))

    answer = applications["token"].ask(request)

    assert answer.status in {200, 401}
    assert not problems(request, answer)


def test_good_ones_are_let_in(applications: dict[str, Application]) -> None:
    basic = "Basic " + base64.b64encode(b"alice:s3cret").decode()
    token = "Bearer " + minted(KEY, "ES256", {"kid": "a"}, claims())
    for way, header in (("htpasswd", basic), ("token", token)):
        request = Request("GET", "/v2/", "", (("Authorization", header),))
        assert applications[way].ask(request).status == 200
