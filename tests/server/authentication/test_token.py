"""Tokens: what is believed of them, what is not, and what clients are told then."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.server.authentication.conftest import Ask
from tests.server.authentication.minting import (
    ISSUER,
    SERVICE,
    Authority,
    access,
    claims,
    encoded,
    minted,
    new_key,
    pem,
    public_jwk,
    public_pem,
    shape,
)

from entrepot.core.access import Access, UnauthorizedError
from entrepot.server.authentication import token
from entrepot.server.authentication.options import TokenOptions

REALM = "https://tokens.test/token"
SCOPE = f'Bearer realm="{REALM}",service="{SERVICE}",scope="repository:a/b:pull"'
INVALID = f'{SCOPE},error="invalid_token"'
INSUFFICIENT = f'{SCOPE},error="insufficient_scope"'
SECRET = b"s" * 64
PUSH = [Access("repository", "a/b", "pull"), Access("repository", "a/b", "push")]

ROOT = Authority("root", new_key("RS256"))
LEAF = Authority("leaf", by=ROOT, is_ca=None)
FOREIGN = Authority("root", new_key("RS256"))  # of the same name
OF_RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
KEYS = {name: new_key(name) for name in ("ES256", "ES384", "ES512", "EdDSA")} | dict.fromkeys(
    OF_RSA, ROOT.key
)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    (folder / "bundle.pem").write_bytes(pem(ROOT.certificate))
    keys = [public_jwk(key, kid=name) for name, key in KEYS.items()]
    keys.append({"kty": "oct", "kid": "secret", "k": encoded(SECRET)})
    (folder / "jwks.json").write_text(json.dumps({"keys": keys}))
    return folder


@pytest.fixture(scope="module")
def tokens(files: Path) -> token.Token:
    return token.opened(options(files))


def options(files: Path, **changes: Any) -> TokenOptions:
    given: dict[str, Any] = {
        "realm": REALM,
        "service": SERVICE,
        "issuer": ISSUER,
        "rootcertbundle": str(files / "bundle.pem"),
        "jwks": str(files / "jwks.json"),
    }
    return TokenOptions(**(given | changes))


def good(key: str = "ES256", **changes: Any) -> str:
    return minted(KEYS[key], key, {"kid": key}, claims(**changes))


def refused(ask: Ask, tokens: token.Token, header: str | None, **more: Any) -> UnauthorizedError:
    with pytest.raises(UnauthorizedError) as caught:
        ask(tokens, header, **more)
    assert caught.value.message == "authentication required"
    return caught.value


@pytest.mark.parametrize("algorithm", KEYS)
def test_token_of_every_algorithm(algorithm: str, ask: Ask, tokens: token.Token) -> None:
    signed = minted(KEYS[algorithm], algorithm, {"kid": algorithm}, claims())

    assert ask(tokens, f"Bearer {signed}").name == "alice"


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_secret_of_the_key_set_signs(algorithm: str, ask: Ask, tokens: token.Token) -> None:
    signed = minted(SECRET, algorithm, {"kid": "secret"}, claims())

    assert ask(tokens, f"bearer {signed}").name == "alice"


GOOD: dict[str, Callable[[], str]] = {
    "audiences in a list": lambda: good(aud=["other", SERVICE]),
    "fractional times": lambda: good(exp=time.time() + 10.5, nbf=time.time() - 0.5),
    "expired within the leeway": lambda: good(exp=int(time.time()) - 50),
    "begins within the leeway": lambda: good(nbf=int(time.time()) + 50),
    "no nbf": lambda: good(nbf=...),
    "any action": lambda: good(access=[access("a/b", "*")]),
    "two entries of one repository": lambda: good(
        access=[access("a/b", "push"), access("a/b", "pull")]
    ),
    "class": lambda: good(access=[access() | {"class": "plugin"}]),
    "unknown claims and headers": lambda: minted(
        KEYS["ES256"], "ES256", {"kid": "ES256", "x": [1]}, claims(x={})
    ),
    "certificate of the bundle itself": lambda: minted(
        ROOT.key, "RS256", {"x5c": ROOT.x5c()}, claims()
    ),
    "certificate by an authority": lambda: minted(LEAF.key, "ES256", {"x5c": LEAF.x5c()}, claims()),
    "certificate with its authority": lambda: minted(
        LEAF.key, "ES256", {"x5c": LEAF.x5c(ROOT)}, claims()
    ),
    "certificates before the name of a key": lambda: minted(
        LEAF.key, "ES256", {"x5c": LEAF.x5c(), "kid": "nonsense"}, claims()
    ),
    "trusted key shown": lambda: minted(
        KEYS["ES256"], "ES256", {"jwk": public_jwk(KEYS["ES256"])}, claims()
    ),
    "key shown with its certificate": lambda: minted(
        LEAF.key, "ES256", {"jwk": public_jwk(LEAF.key, x5c=LEAF.x5c())}, claims()
    ),
}


@pytest.mark.parametrize("what", GOOD)
def test_good_token(what: str, ask: Ask, tokens: token.Token) -> None:
    assert ask(tokens, f"Bearer {GOOD[what]()}").name == "alice"


def self_made(**header: Any) -> str:
    key = new_key()
    return minted(key, "ES256", {"jwk": public_jwk(key, **header)}, claims())


def with_header(**header: Any) -> str:
    return minted(KEYS["ES256"], "ES256", {"kid": "ES256", **header}, claims())


def cut(at: int, by: str) -> str:
    parts = good().split(".")
    parts[at] = by
    return ".".join(parts)


BAD: dict[str, Callable[[], str]] = {
    "nothing in it": lambda: "..",
    "one part": lambda: "x",
    "four parts": lambda: good() + ".x",
    "space before it": lambda: " " + good(),
    "other letters": lambda: good() + "\xe4",
    "padding": lambda: good() + "=",
    "no signature": lambda: cut(2, ""),
    "signature of another token": lambda: cut(2, good(jti="2").split(".")[2]),
    "other claims": lambda: cut(1, encoded(json.dumps(claims(sub="bob")).encode())),
    "header is no JSON": lambda: cut(0, encoded(b"{")),
    "header is a list": lambda: cut(0, encoded(b"[]")),
    "header nested deeply": lambda: cut(0, encoded(b"[" * 3000)),
    "claims nested deeply": lambda: minted(KEYS["ES256"], "ES256", {"kid": "ES256"}, b"[" * 3000),
    "claims are a list": lambda: minted(KEYS["ES256"], "ES256", {"kid": "ES256"}, b"[]"),
    "claims are no text": lambda: minted(KEYS["ES256"], "ES256", {"kid": "ES256"}, b"\xff"),
    "token within a token": lambda: minted(
        KEYS["ES256"], "ES256", {"kid": "ES256", "cty": "JWT"}, good().encode()
    ),
    "longer than 8 KiB": lambda: good(x="x" * 8192),
    "algorithm none": lambda: minted(None, "none", {"kid": "ES256"}, claims()),
    "algorithm None": lambda: cut(0, encoded(b'{"alg":"None","kid":"ES256"}')),
    "algorithm missing": lambda: cut(0, encoded(b'{"kid":"ES256"}')),
    "algorithm is a list": lambda: cut(0, encoded(b'{"alg":["ES256"],"kid":"ES256"}')),
    "algorithm unheard of": lambda: cut(0, encoded(b'{"alg":"ES256K","kid":"ES256"}')),
    "algorithm of another curve": lambda: minted(
        KEYS["ES256"], "ES384", {"kid": "ES256"}, claims()
    ),
    "public key as a secret": lambda: minted(
        public_pem(ROOT.key), "HS256", {"kid": "RS256"}, claims()
    ),
    "certificate as a secret": lambda: minted(
        pem(ROOT.certificate), "HS256", {"x5c": ROOT.x5c()}, claims()
    ),
    "secret as the key of another algorithm": lambda: minted(
        KEYS["ES256"], "ES256", {"kid": "secret"}, claims()
    ),
    "key unheard of": lambda: minted(KEYS["ES256"], "ES256", {"kid": "other"}, claims()),
    "no key named": lambda: minted(KEYS["ES256"], "ES256", {}, claims()),
    "name of a key is a number": lambda: minted(KEYS["ES256"], "ES256", {"kid": 1}, claims()),
    "key of another name": lambda: minted(new_key(), "ES256", {"kid": "ES256"}, claims()),
    "self-made key": self_made,
    "self-made key under a trusted name": lambda: self_made(kid="ES256"),
    "self-made key with somebody's certificate": lambda: self_made(x5c=LEAF.x5c()),
    "self-made secret": lambda: minted(
        b"k" * 32, "HS256", {"jwk": {"kty": "oct", "k": encoded(b"k" * 32)}}, claims()
    ),
    "jwk is text": lambda: with_header(jwk="x"),
    "jwk of a kind unheard of": lambda: with_header(jwk={"kty": "x"}),
    "jwk without its numbers": lambda: with_header(jwk={"kty": "EC", "crv": "P-256"}),
    "jwk with a chain that is text": lambda: with_header(jwk={"x5c": "x"}),
    "critical header": lambda: with_header(crit=["exp"]),
    "critical header is empty": lambda: with_header(crit=[]),
    "unencoded claims": lambda: with_header(b64=False, crit=["b64"]),
    "certificate of a foreign authority": lambda: minted(
        FOREIGN.key, "RS256", {"x5c": FOREIGN.x5c()}, claims()
    ),
    "certificate by a foreign authority": lambda: minted(
        KEYS["ES256"],
        "ES256",
        {"x5c": Authority("l", by=FOREIGN).x5c(FOREIGN, ROOT), "kid": "ES256"},
        claims(),
    ),
    "certificate of somebody else": lambda: minted(
        KEYS["ES256"], "ES256", {"x5c": LEAF.x5c()}, claims()
    ),
    "expired certificate": lambda: by_certificate(days=(-2, -1)),
    "certificate not good yet": lambda: by_certificate(days=(1, 2)),
    "no certificates": lambda: with_header(x5c=[]),
    "too many certificates": lambda: with_header(x5c=LEAF.x5c(*[ROOT] * 8)[:9]),
    "certificates are text": lambda: with_header(x5c=shape(ROOT.certificate)),
    "certificate is no base64": lambda: with_header(x5c=["%"]),
    "certificate is no certificate": lambda: with_header(x5c=["AAAA"]),
    "other issuer": lambda: good(iss="other"),
    "no issuer": lambda: good(iss=...),
    "issuer is a list": lambda: good(iss=[ISSUER]),
    "other audience": lambda: good(aud="other"),
    "part of the audience": lambda: good(aud=SERVICE[:-1]),
    "no audience": lambda: good(aud=...),
    "empty audiences": lambda: good(aud=[]),
    "audience within a list within a list": lambda: good(aud=[[SERVICE]]),
    "expired": lambda: good(exp=int(time.time()) - 70),
    "no expiry": lambda: good(exp=...),
    "expiry is text": lambda: good(exp="9999999999"),
    "expiry is true": lambda: good(exp=True),
    "expiry is infinite": lambda: good(exp=float("inf")),
    "expiry is no number": lambda: good(exp=float("nan")),
    "expiry far out": lambda: good(exp=10**400),
    "not good yet": lambda: good(nbf=int(time.time()) + 70),
    "beginning is text": lambda: good(nbf="0"),
    "subject is a number": lambda: good(sub=1),
    "access is text": lambda: good(access="repository:a/b:pull"),
    "access without a name": lambda: good(access=[{"type": "repository", "actions": ["pull"]}]),
    "actions are text": lambda: good(access=[access() | {"actions": "pull"}]),
}


def by_certificate(days: tuple[float, float], **changes: Any) -> str:
    leaf = Authority("leaf", by=ROOT, is_ca=None, days=days)
    return minted(leaf.key, "ES256", {"x5c": leaf.x5c()}, claims(**changes))


@pytest.mark.parametrize("what", BAD)
def test_bad_token(what: str, ask: Ask, tokens: token.Token) -> None:
    error = refused(ask, tokens, f"Bearer {BAD[what]()}")

    assert error.challenge == INVALID
    assert error.is_expired == (what == "expired")


NOT_THAT: list[Any] = [
    [],
    None,
    [None],
    [access("a/b", "push")],
    [access("a/b/c")],
    [access("a")],
    [access("a/*")],
    [access("*")],
    [access(kind="registry")],
    [access() | {"actions": []}],
    [access() | {"actions": None}],
    [access("A/B")],
]


@pytest.mark.parametrize("listed", NOT_THAT)
def test_token_for_something_else(listed: Any, ask: Ask, tokens: token.Token) -> None:
    error = refused(ask, tokens, f"Bearer {good(access=listed)}")

    assert error.challenge == INSUFFICIENT
    assert not error.is_expired


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", "Basic YTpi", "Basic", "x", "\xff", "Token x", "bearerx y"],
)
def test_no_token(header: str | None, ask: Ask, tokens: token.Token) -> None:
    assert refused(ask, tokens, header).challenge == SCOPE


def test_nothing_but_a_token_is_wanted_at_the_base(ask: Ask, tokens: token.Token) -> None:
    error = refused(ask, tokens, None, wanted=())

    assert error.challenge == f'Bearer realm="{REALM}",service="{SERVICE}"'
    assert ask(tokens, f"Bearer {good(access=[])}", wanted=()).name == "alice"
    assert ask(tokens, f"Bearer {good(sub=None)}", wanted=()).name == ""


def test_challenge_names_all_that_is_wanted_by_resource(ask: Ask, tokens: token.Token) -> None:
    error = refused(ask, tokens, None, wanted=[*PUSH, Access("repository", "c", "pull")])

    assert ',scope="repository:a/b:pull,push repository:c:pull"' in error.challenge


def test_every_part_of_what_is_wanted_must_be_allowed(ask: Ask, tokens: token.Token) -> None:
    error = refused(ask, tokens, f"Bearer {good()}", wanted=PUSH)
    assert 'error="insufficient_scope"' in error.challenge

    both = good(access=[access("a/b", "pull", "push")])
    assert ask(tokens, f"Bearer {both}", wanted=PUSH).name == "alice"


def test_only_the_algorithms_asked_for(files: Path, ask: Ask) -> None:
    tokens = token.opened(options(files, signingalgorithms=("RS256",)))

    assert ask(tokens, f"Bearer {good('RS256')}").name == "alice"
    for key in ("RS512", "PS256", "ES256"):
        assert refused(ask, tokens, f"Bearer {good(key)}").challenge == INVALID


def test_time_a_token_is_judged_at(ask: Ask, tokens: token.Token) -> None:
    now = time.time()
    header = f"Bearer {good(exp=int(now) - 100, nbf=int(now) - 500)}"

    assert refused(ask, tokens, header).is_expired
    assert ask(tokens, header, moment=now - 110).name == "alice"
    assert refused(ask, tokens, header, moment=now - 600).is_expired is False
    assert refused(ask, tokens, header).is_expired, "what was good then is not remembered as good"


def test_token_ends_with_its_certificate(
    ask: Ask, tokens: token.Token, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    header = f"Bearer {by_certificate(days=(-1, 0.5), exp=int(now) + 86400)}"
    assert ask(tokens, header).name == "alice"

    monkeypatch.setattr(time, "time", lambda: now + 50000)

    assert refused(ask, tokens, header).challenge == INVALID


def test_expired_token_with_another_defect_is_not_only_expired(
    ask: Ask, tokens: token.Token
) -> None:
    error = refused(ask, tokens, f"Bearer {good(exp=1, aud='other')}")

    assert not error.is_expired


@pytest.mark.parametrize(
    ("base", "is_told", "realm"),
    [
        ("https://registry.test", True, "https://registry.test/auth/token"),
        ("http://registry.test:5000", True, "http://registry.test:5000/auth/token"),
        ("http://registry.test:5000", False, "https://registry.test:5000/auth/token"),
        ("", False, REALM),
    ],
)
def test_realm_on_the_host_of_the_request(
    base: str, is_told: bool, realm: str, ask: Ask, files: Path
) -> None:
    tokens = token.opened(options(files, autoredirect=True))

    error = refused(ask, tokens, None, base=base, is_told=is_told)

    assert f'realm="{realm}"' in error.challenge


def test_what_a_client_is_told_holds_in_its_quotes(files: Path, ask: Ask) -> None:
    tokens = token.opened(options(files, service='a "b" \\ é'))

    error = refused(ask, tokens, None)

    expected = 'service="a \\"b\\" \\\\ é"'.encode().decode("latin-1")
    assert expected in error.challenge
