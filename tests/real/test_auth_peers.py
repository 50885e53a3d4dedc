"""Distribution with the same configuration gives the same answers to who comes in, and how."""

import base64
import json
import re
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.real.servers import Server, StartDistribution, StartEntrepot
from tests.real.token_server import ISSUER, SERVICE, TokenServer, serve_tokens
from tests.server.authentication.minting import Authority, access, claims, minted, new_key, shape

DIGEST = "sha256:" + "a" * 64
UPLOAD = "3a3e3c83-8d1d-4f39-a3b1-d2b5a3d7f0c1"
HTPASSWD = (
    "# alice: s3cret, bob: as below\n\n"
    "alice:$2a$05$JqOgZAcpZDdgBnu9lsBwD.nWB77ddyIsflHL1TJ0NqDV4dnWgpMKO\n"
    "md5:$apr1$SOMESALT$SOMEHASHSOMEHASHSOMEHA\n"
)
LONG = "long:$2b$04$dFAOlVVlSR1QMQqNzsJvceyJYlof25IxnKreabHQuA5XkTLWeQnwi\n"  # 72 times x


@dataclass(frozen=True, slots=True)
class Answer:
    """What is compared of an answer."""

    status: int
    challenge: str
    body: Any


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Generator[TokenServer, None, None]:
    """A token server, for its keys."""
    with serve_tokens(tmp_path_factory.mktemp("tokens")) as server:
        yield server


@pytest.fixture(scope="module")
def sections(
    tokens: TokenServer, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Mapping[str, object]]:
    """The sections `auth` by their names."""
    users = tmp_path_factory.mktemp("users") / "htpasswd"
    users.write_text(HTPASSWD)
    token: Any = tokens.section["token"]
    return {
        "htpasswd": {"htpasswd": {"realm": 'a "realm"', "path": str(users)}},
        "token": tokens.section,
        "silly": {"silly": {"realm": "silly realm", "service": "silly service"}},
        "autoredirect": {"token": token | {"autoredirect": True}},
        "rs512": {"token": token | {"signingalgorithms": ["RS512"]}},
    }


@dataclass(frozen=True, slots=True)
class Pair:
    """Both registries, each with the same section `auth`."""

    http: httpx2.Client
    ours: Server
    theirs: Server

    def ask(self, method: str, path: str, headers: Mapping[str, str]) -> tuple[Answer, Answer]:
        """Their answers to the same request: ours first."""
        ours = self._asked(self.ours.url + path, method, headers)
        return ours, self._asked(self.theirs.url + path, method, headers)

    def _asked(self, url: str, method: str, headers: Mapping[str, str]) -> Answer:
        answer = self.http.request(method, url, headers={"Host": "registry.test:5000", **headers})
        body = answer.json() if answer.content[:1] == b"{" else answer.text
        challenge = _ordered(answer.headers.get("www-authenticate", ""))
        return Answer(answer.status_code, challenge, body)


def _ordered(challenge: str) -> str:
    """A challenge with its scopes and their actions in one order; Distribution has none."""

    def ordered(match: re.Match[str]) -> str:
        scopes = [scope.rpartition(":") for scope in match[1].split()]
        listed = sorted(f"{name}:{','.join(sorted(each.split(',')))}" for name, _, each in scopes)
        return f'scope="{" ".join(listed)}"'

    return re.sub(r'scope="([^"]*)"', ordered, challenge)


@pytest.fixture(scope="module")
def http() -> Generator[httpx2.Client, None, None]:
    """A client for all requests."""
    with httpx2.Client(timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def pairs(
    http: httpx2.Client,
    entrepot_server: StartEntrepot,
    distribution: StartDistribution,
    sections: Mapping[str, Mapping[str, object]],
) -> Callable[[str], Pair]:
    """Starts both registries with a section of `auth`, once."""
    started: dict[str, Pair] = {}

    def start(way: str) -> Pair:
        if way not in started:
            config = {"auth": sections[way]}
            theirs = distribution("3", config=config)
            started[way] = Pair(http, entrepot_server(config), theirs)
        return started[way]

    return start


REQUESTS = [
    ("GET", "/"),
    ("GET", "/v2/"),
    ("HEAD", "/v2/"),
    ("GET", "/v2/_catalog"),
    ("GET", "/v2/a/b/tags/list"),
    ("GET", "/v2/a/b/manifests/latest"),
    ("HEAD", "/v2/a/b/manifests/latest"),
    ("PUT", "/v2/a/b/manifests/latest"),
    ("DELETE", "/v2/a/b/manifests/latest"),
    ("GET", f"/v2/a/b/blobs/{DIGEST}"),
    ("DELETE", f"/v2/a/b/blobs/{DIGEST}"),
    ("POST", "/v2/a/b/blobs/uploads/"),
    ("POST", f"/v2/a/b/blobs/uploads/?mount={DIGEST}"),
    ("POST", f"/v2/a/b/blobs/uploads/?mount={DIGEST}&from=c/d"),
    ("GET", f"/v2/a/b/blobs/uploads/{UPLOAD}"),
    ("PATCH", f"/v2/a/b/blobs/uploads/{UPLOAD}"),
    ("PUT", f"/v2/a/b/blobs/uploads/{UPLOAD}?digest={DIGEST}"),
    ("DELETE", f"/v2/a/b/blobs/uploads/{UPLOAD}"),
]


@pytest.mark.parametrize("way", ["htpasswd", "token", "silly"])
@pytest.mark.parametrize(("method", "path"), REQUESTS)
def test_without_credentials(
    way: str, method: str, path: str, pairs: Callable[[str], Pair]
) -> None:
    ours, theirs = pairs(way).ask(method, path, {})

    assert ours == theirs


def basic(text: bytes) -> str:
    """A header of credentials."""
    return "Basic " + base64.b64encode(text).decode()


BASIC = {
    "right": basic(b"alice:s3cret"),
    "wrong": basic(b"alice:wrong"),
    "unknown": basic(b"bob:s3cret"),
    "of another kind of hash": basic(b"md5:s3cret"),
    "nobody": basic(b":"),
    "no colon": basic(b"alice"),
    "no base64": "Basic %",
    "nothing": "Basic",
    "other scheme": "Bearer x",
    "small letters": basic(b"alice:s3cret").replace("Basic", "basic"),
    "not UTF-8": basic(b"\xff:\xff"),
}


@pytest.mark.parametrize("what", BASIC)
@pytest.mark.parametrize("path", ["/v2/", "/v2/_catalog", "/v2/a/b/blobs/uploads/"])
def test_passwords(what: str, path: str, pairs: Callable[[str], Pair]) -> None:
    method = "POST" if "uploads" in path else "GET"

    ours, theirs = pairs("htpasswd").ask(method, path, {"Authorization": BASIC[what]})

    assert (ours.status, ours.challenge) == (theirs.status, theirs.challenge)
    if ours.status == 401:
        assert ours.body == theirs.body


OTHER = Authority("other", new_key("RS256"))


def by(tokens: TokenServer, header: Mapping[str, Any] | None = None, **changes: Any) -> str:
    """A token of the token server, with changes."""
    said = claims(iss=ISSUER, aud=SERVICE) | changes
    said = {name: value for name, value in said.items() if value is not ...}
    given = {"x5c": tokens.authority.x5c()} if header is None else header
    return minted(tokens.authority.key, "RS256", given, said)


Make = Callable[[TokenServer], str]
TOKENS: dict[str, Make] = {
    "good": by,
    "push": lambda it: by(it, access=[access("a/b", "pull", "push")]),
    "anything": lambda it: by(it, access=[access("a/b", "*")]),
    "delete": lambda it: by(it, access=[access("a/b", "delete")]),
    "nothing": lambda it: by(it, access=[]),
    "catalogue": lambda it: by(it, access=[access("catalog", "*", kind="registry")]),
    "other repository": lambda it: by(it, access=[access("a/b/c")]),
    "two audiences": lambda it: by(it, aud=["x", SERVICE]),
    "other audience": lambda it: by(it, aud="x"),
    "no audience": lambda it: by(it, aud=...),
    "other issuer": lambda it: by(it, iss="x"),
    "no issuer": lambda it: by(it, iss=...),
    "expired": lambda it: by(it, exp=1),
    "no expiry": lambda it: by(it, exp=...),
    "not yet": lambda it: by(it, nbf=9999999999),
    "no beginning": lambda it: by(it, nbf=...),
    "no subject": lambda it: by(it, sub=...),
    "key unheard of": lambda it: by(it, {"kid": "x"}),
    "no key named": lambda it: by(it, {}),
    "foreign authority": lambda it: by(it, {"x5c": OTHER.x5c()}),
    "no certificates": lambda it: by(it, {"x5c": []}),
    "damaged certificate": lambda it: by(it, {"x5c": ["AAAA"]}),
    "certificate of another key": lambda it: minted(
        OTHER.key, "RS256", {"x5c": it.authority.x5c()}, claims(iss=ISSUER, aud=SERVICE)
    ),
    "critical": lambda it: by(it, {"x5c": [shape(it.authority.certificate)], "crit": ["exp"]}),
    "no signature": lambda it: by(it).rpartition(".")[0] + ".",
    "algorithm none": lambda _: minted(None, "none", {}, claims()),
    "public key as a secret": lambda it: minted(
        it.bundle.read_bytes(), "HS256", {"x5c": it.authority.x5c()}, claims()
    ),
    "one part": lambda _: "x",
    "two spaces": lambda it: " " + by(it),
}


SILENT = frozenset(
    {"certificate of another key", "critical", "no signature", "public key as a secret"}
)
"""Tokens of which theirs says nothing in the challenge, as if there had been none; ours says that
they are invalid. Source: RFC 6750 section 3.1.
"""


@pytest.mark.parametrize("what", TOKENS)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v2/"),
        ("GET", "/v2/_catalog"),
        ("GET", "/v2/a/b/manifests/x"),
        ("POST", "/v2/a/b/blobs/uploads/"),
        ("DELETE", "/v2/a/b/manifests/x"),
    ],
)
def test_tokens(
    what: str, method: str, path: str, pairs: Callable[[str], Pair], tokens: TokenServer
) -> None:
    header = f"Bearer {TOKENS[what](tokens)}"

    ours, theirs = pairs("token").ask(method, path, {"Authorization": header})

    assert (ours.status == 401) == (theirs.status == 401)
    assert ours.challenge == theirs.challenge + ',error="invalid_token"' * (what in SILENT)
    if ours.status == 401:
        assert ours.body == theirs.body


@pytest.mark.parametrize("header", ["", "Bearer", "Basic YTpi", "bearer", "x"])
def test_no_tokens(header: str, pairs: Callable[[str], Pair]) -> None:
    ours, theirs = pairs("token").ask("GET", "/v2/a/tags/list", {"Authorization": header})

    assert ours == theirs


def test_algorithms_asked_for(pairs: Callable[[str], Pair], tokens: TokenServer) -> None:
    for algorithm, status in (("RS512", 200), ("RS256", 401)):
        token = minted(
            tokens.authority.key,
            algorithm,
            {"x5c": tokens.authority.x5c()},
            claims(iss=ISSUER, aud=SERVICE),
        )
        ours, theirs = pairs("rs512").ask("GET", "/v2/", {"Authorization": f"Bearer {token}"})
        assert ours == theirs
        assert ours.status == status


@pytest.mark.parametrize("scheme", [None, "https", "http"])
def test_realm_on_the_host_of_the_request(scheme: str | None, pairs: Callable[[str], Pair]) -> None:
    headers = {"X-Forwarded-Proto": scheme} if scheme else {}

    ours, theirs = pairs("autoredirect").ask("GET", "/v2/a/tags/list", headers)

    assert ours == theirs
    assert f'realm="{scheme or "https"}://registry.test:5000/auth/token"' in ours.challenge


# -- where we differ, and why ---------------------------------------------------------------


def test_line_without_a_colon_locks_nobody_out(
    http: httpx2.Client,
    entrepot_server: StartEntrepot,
    distribution: StartDistribution,
    tmp_path: Path,
) -> None:
    """Theirs answers 400 to everybody; ours leaves the line out and says so in the log."""
    users = tmp_path / "htpasswd"
    users.write_text(HTPASSWD + "no colon\n")
    config = {"auth": {"htpasswd": {"realm": "r", "path": str(users)}}}
    pair = Pair(http, entrepot_server(config), distribution("3", config=config))

    ours, theirs = pair.ask("GET", "/v2/", {"Authorization": BASIC["right"]})

    assert (ours.status, theirs.status) == (200, 400)
    assert "line 5 is left out" in pair.ours.log.read_text()


def test_password_longer_than_bcrypt_looks(
    http: httpx2.Client,
    entrepot_server: StartEntrepot,
    distribution: StartDistribution,
    tmp_path: Path,
) -> None:
    """The same: only the first 72 bytes count."""
    users = tmp_path / "htpasswd"
    users.write_text(LONG)
    config = {"auth": {"htpasswd": {"realm": "r", "path": str(users)}}}
    pair = Pair(http, entrepot_server(config), distribution("3", config=config))

    for password, status in ((b"x" * 72, 200), (b"x" * 90, 200), (b"x" * 71, 401)):
        ours, theirs = pair.ask("GET", "/v2/", {"Authorization": basic(b"long:" + password)})
        assert ours == theirs
        assert ours.status == status


def test_malformed_access_is_an_invalid_token(
    pairs: Callable[[str], Pair], tokens: TokenServer
) -> None:
    """As of those in `SILENT`, theirs says nothing of it."""
    header = {"Authorization": f"Bearer {by(tokens, access='repository:a/b:pull')}"}

    ours, theirs = pairs("token").ask("GET", "/v2/a/b/tags/list", header)

    assert (ours.status, theirs.status) == (401, 401)
    assert ours.challenge == theirs.challenge + ',error="invalid_token"'


def test_bad_name_is_told_before_anything_else(pairs: Callable[[str], Pair]) -> None:
    """Theirs has no such path, and answers 404 in plain text; what exists is told by neither."""
    ours, theirs = pairs("token").ask("GET", "/v2/A/tags/list", {})

    assert (ours.status, theirs.status) == (400, 404)
    assert json.dumps(ours.body).count("NAME_INVALID") == 1


def test_browsers_may_ask_for_options_without_credentials(pairs: Callable[[str], Pair]) -> None:
    """They never send any in a preflight request, so theirs can be used by no web page."""
    ours, theirs = pairs("token").ask("OPTIONS", "/v2/a/b/tags/list", {})

    assert (ours.status, theirs.status) == (200, 401)
