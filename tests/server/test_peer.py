"""Another registry as a source: logins, tokens, redirects, and no secret in any error."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest
from tests.core.stores import chunks

from entrepot.core.errors import ConfigurationError
from entrepot.core.names import Digest, RepositoryName
from entrepot.core.scrubbing.sources import SourceError
from entrepot.server.peer import PASSWORD, USER, Credentials, Peer, address_of, credentials_of

pytestmark = pytest.mark.anyio

CONTENT = b"some content"
DIGEST = Digest.of(CONTENT)
NAME = RepositoryName.parse("team/app")
SECRET = "hunter2"
ME = Credentials("me", SECRET)
URL = "https://other.example/mirror"

Handler = Callable[[httpx2.Request], httpx2.Response]


async def fetch(handler: Handler, credentials: Credentials | None = ME, url: str = URL) -> bytes:
    transport = httpx2.MockTransport(handler)
    async with httpx2.AsyncClient(transport=transport, follow_redirects=True) as client:
        peer = Peer(client, httpx2.URL(url), credentials)
        chunks = [chunk async for chunk in peer.blob(NAME, DIGEST)]
        assert chunks == [chunk async for chunk in peer.manifest(NAME, DIGEST)]
    return b"".join(chunks)


class Asked:
    """Remembers requests; answers by path, wanting a certain header."""

    def __init__(self, challenge: str = "", wanted: str = "") -> None:
        self.requests: list[httpx2.Request] = []
        self._challenge = challenge
        self._wanted = wanted

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        if request.url.path == "/token":
            return self.token(request)
        if self._wanted and request.headers.get("authorization") != self._wanted:
            return httpx2.Response(401, headers={"WWW-Authenticate": self._challenge})
        return httpx2.Response(200, content=chunks(CONTENT))

    def token(self, request: httpx2.Request) -> httpx2.Response:
        assert request.headers["authorization"] == ME.header
        assert dict(request.url.params) == {"service": "s", "scope": "repository:team/app:pull"}
        return httpx2.Response(200, json={"token": "abc"})


async def test_content_comes_from_below_the_urls_path() -> None:
    asked = Asked()

    assert await fetch(asked) == CONTENT
    assert [request.url.path for request in asked.requests] == [
        f"/mirror/v2/team/app/blobs/{DIGEST}",
        f"/mirror/v2/team/app/manifests/{DIGEST}",
    ]
    assert "authorization" not in asked.requests[0].headers


async def test_login() -> None:
    asked = Asked('Basic realm="x"', ME.header)

    assert await fetch(asked) == CONTENT
    assert len(asked.requests) == 3  # the header is kept


async def test_token() -> None:
    asked = Asked('Bearer realm="https://tokens.example/token",service="s",scope="x"', "Bearer abc")

    assert await fetch(asked) == CONTENT


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (httpx2.Response(404), "other.example does not have it"),
        (httpx2.Response(403), "refuses it with status 403"),
        (httpx2.Response(500), "answered with status 500"),
        (httpx2.Response(401), "refuses it with status 401"),
        (
            httpx2.Response(
                401, headers={"WWW-Authenticate": 'Bearer realm="http://tokens.example"'}
            ),
            "from a place that is not https",
        ),
    ],
)
async def test_refusals(answer: httpx2.Response, told: str) -> None:
    with pytest.raises(SourceError, match=told) as raised:
        await fetch(lambda _: answer)

    assert SECRET not in str(raised.value)


async def test_login_without_credentials_says_how_to_give_them() -> None:
    with pytest.raises(SourceError, match=USER):
        await fetch(Asked('Basic realm="x"', ME.header), credentials=None)


@pytest.mark.parametrize(
    "answer",
    [httpx2.Response(500), httpx2.Response(200, content=b"["), httpx2.Response(200, json={})],
)
async def test_token_server_that_gives_none(
    answer: httpx2.Response, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Asked('Bearer realm="/token"', "Bearer abc")

    def token(_: httpx2.Request) -> httpx2.Response:
        return answer

    monkeypatch.setattr(asked, "token", token)

    with pytest.raises(SourceError, match=r"other\.example gave no token"):
        await fetch(asked)


async def test_redirect_to_a_store_takes_no_credentials_along() -> None:
    seen: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.host == "bucket.example":
            seen.append(request)
            return httpx2.Response(200, content=chunks(CONTENT))
        if "authorization" not in request.headers:
            return httpx2.Response(401, headers={"WWW-Authenticate": 'Basic realm="x"'})
        return httpx2.Response(307, headers={"Location": f"https://bucket.example/?sig={SECRET}"})

    assert await fetch(answer) == CONTENT
    assert all("authorization" not in request.headers for request in seen)


async def test_broken_connection_is_told_without_the_address_that_may_be_signed() -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ReadError(f"https://bucket.example/?sig={SECRET}", request=request)

    with pytest.raises(SourceError, match=r"other\.example: ReadError") as raised:
        await fetch(answer)

    assert SECRET not in str(raised.value)


@pytest.mark.parametrize(
    "url", ["ftp://a", "a.example", "https://", "https://a/?q=1", "http://a#b", "\0"]
)
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(ConfigurationError, match="--from"):
        address_of(url)


def test_credentials_are_not_taken_from_the_url() -> None:
    with pytest.raises(ConfigurationError, match=PASSWORD) as raised:
        address_of(f"https://me:{SECRET}@other.example")

    assert SECRET not in str(raised.value)


def test_credentials_of_the_environment() -> None:
    url = address_of("https://other.example")

    assert credentials_of(url, {USER: "me", PASSWORD: SECRET}, None) == ME
    assert credentials_of(url, {PASSWORD: SECRET}, None) is None
    assert SECRET not in repr(ME)


@pytest.mark.parametrize("host", ["other.example:5000", "https://other.example:5000"])
@pytest.mark.parametrize("form", ["auth", "plain"])
def test_credentials_of_a_file(tmp_path: Path, host: str, form: str) -> None:
    pair = base64.b64encode(f"me:{SECRET}".encode()).decode()
    entry = {"auth": pair} if form == "auth" else {"username": "me", "password": SECRET}
    file = tmp_path / "auth.json"
    file.write_text(json.dumps({"auths": {host: entry}}))

    assert credentials_of(address_of("https://other.example:5000"), {USER: "x"}, file) == ME


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{}", "it is not like"),
        ("[", "it is not like"),
        ('{"auths": {}}', "has no credentials for other.example"),
        ('{"auths": {"other.example": {}}}', "it is not like"),
        (f'{{"auths": {{"other.example": {{"auth": "{SECRET}"}}}}}}', "it is not like"),
    ],
)
def test_files_without_credentials(tmp_path: Path, content: str, told: str) -> None:
    file = tmp_path / "auth.json"
    file.write_text(content)

    with pytest.raises(ConfigurationError, match=told) as raised:
        credentials_of(address_of("https://other.example"), {}, file)

    assert SECRET not in str(raised.value)
