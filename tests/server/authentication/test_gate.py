"""The gate: what each request needs, that nothing is read before, and what is told of refusals."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.server.authentication.conftest import Guarded

from entrepot.core import hookimpl
from entrepot.core.access import (
    Access,
    Asking,
    AuthenticationUnavailableError,
    Authenticator,
    AuthenticatorOptions,
    BusyError,
    DeniedError,
    Identity,
    Rights,
    UnauthorizedError,
)
from entrepot.core.errors import ConfigurationError, PluginError
from entrepot.core.hookspecs import RegisterAuthenticator
from entrepot.core.plugins import Plugins, load_plugins
from entrepot.server.authentication import gate

DIGEST = "sha256:" + "a" * 64
UPLOAD = "/v2/a/b/blobs/uploads/3a3e3c83-8d1d-4f39-a3b1-d2b5a3d7f0c1"


@dataclass
class Recorder(Authenticator):
    """Keeps what it is asked; lets everybody in, unless there is something to raise."""

    asked: list[tuple[Asking, tuple[str, ...]]] = field(default_factory=list[Any])
    errors: Iterator[Exception | None] = field(default_factory=lambda: iter(()))

    async def authorize(self, asking: Asking, wanted: Sequence[Access]) -> Identity:
        self.asked.append(
            (asking, tuple(f"{each.type}:{each.name}:{each.action}" for each in wanted))
        )
        error = next(self.errors, None)
        if error is not None:
            raise error
        return Identity("alice")

    def refuse(self, *errors: Exception | None) -> None:
        self.errors = iter(errors)

    @property
    def wanted(self) -> tuple[str, ...]:
        return self.asked[-1][1]


class Options(AuthenticatorOptions):
    """None."""


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def client(recorder: Recorder, guarded: Guarded) -> TestClient:
    @asynccontextmanager
    async def open_recorder(_: Options, __: Rights) -> AsyncGenerator[Authenticator, None]:
        yield recorder

    return guarded(plugged(open_recorder), AUTH="recorder")


@dataclass(eq=False)
class Plugin:
    """A plug-in of one authenticator."""

    opening: Any

    @hookimpl
    def register_authenticators(self, register: RegisterAuthenticator) -> None:
        register("recorder", self.opening, Options)


def plugged(opening: Any) -> Plugins:
    plugins = load_plugins()
    plugins.add(Plugin(opening), "recorder")
    return plugins


PULL, PUSH, DELETE = (f"repository:a/b:{action}" for action in ("pull", "push", "delete"))

NEEDS = [
    ("GET", "/v2/", ()),
    ("POST", "/v2", ()),
    ("GET", "/v2/_catalog", ("registry:catalog:*",)),
    ("GET", "/v2/_catalog/", ("registry:catalog:*",)),
    ("GET", "/v2/a/b/tags/list", (PULL,)),
    ("GET", f"/v2/a/b/referrers/{DIGEST}", (PULL,)),
    ("GET", "/v2/a/b/manifests/latest", (PULL,)),
    ("HEAD", "/v2/a/b/manifests/latest", (PULL,)),
    ("PUT", "/v2/a/b/manifests/latest", (PULL, PUSH)),
    ("DELETE", "/v2/a/b/manifests/latest", (DELETE,)),
    ("GET", f"/v2/a/b/blobs/{DIGEST}", (PULL,)),
    ("HEAD", f"/v2/a/b/blobs/{DIGEST}", (PULL,)),
    ("DELETE", f"/v2/a/b/blobs/{DIGEST}", (DELETE,)),
    ("POST", "/v2/a/b/blobs/uploads/", (PULL, PUSH)),
    ("POST", "/v2/a/b/blobs/uploads", (PULL, PUSH)),
    ("POST", f"/v2/a/b/blobs/uploads/?mount={DIGEST}", (PULL, PUSH)),
    ("POST", f"/v2/a/b/blobs/uploads/?mount={DIGEST}&from=", (PULL, PUSH)),
    (
        "POST",
        f"/v2/a/b/blobs/uploads/?mount={DIGEST}&from=c%2Fd",
        (PULL, PUSH, "repository:c/d:pull"),
    ),
    ("POST", "/v2/a/b/blobs/uploads/?from=c", (PULL, PUSH, "repository:c:pull")),
    ("GET", UPLOAD, (PULL,)),
    ("PATCH", UPLOAD, (PULL, PUSH)),
    ("PUT", UPLOAD, (PULL, PUSH)),
    ("DELETE", UPLOAD, (DELETE,)),
    ("OPTIONS", "/v2/a/b/tags/list", ()),
    ("PUT", "/v2/a/b/tags/list", (PULL, PUSH)),
    ("PUT", "/v2/a/b/manifests/.bad", (PULL, PUSH)),
    ("PUT", UPLOAD + "?from=c", (PULL, PUSH)),
]


@pytest.mark.parametrize(("method", "url", "needs"), NEEDS)
def test_what_a_request_needs(
    method: str, url: str, needs: tuple[str, ...], client: TestClient, recorder: Recorder
) -> None:
    client.request(method, url)

    assert [wanted for _, wanted in recorder.asked] == [needs]


@pytest.mark.parametrize("url", ["/", "/v2/nothing", "/v1/_ping", "/v2/a/b/c"])
def test_nobody_is_asked_where_nothing_is(url: str, client: TestClient, recorder: Recorder) -> None:
    assert client.get(url).status_code in {200, 404}
    assert not recorder.asked


def test_what_an_authenticator_sees(client: TestClient, recorder: Recorder) -> None:
    client.get("/v2/", headers={"Authorization": "Some thing", "X-Forwarded-Proto": "https"})

    asking, _ = recorder.asked[0]
    assert asking.authorization == "Some thing"
    assert asking.base == "https://registry.test"
    assert asking.is_told
    assert asking.address == "testclient"
    assert asking.moment is None
    assert "Some thing" not in repr(asking)


@pytest.mark.parametrize(
    "url",
    [
        "/v2/A/manifests/x",
        "/v2/a//b/tags/list",
        f'/v2/a",b="/blobs/{DIGEST}',
        "/v2/a%0d%0aX:%20y/tags/list",
        "/v2/" + "a" * 256 + "/manifests/x",
        f"/v2/%C3%A9/referrers/{DIGEST}",
    ],
)
def test_bad_name_is_told_without_asking(url: str, client: TestClient, recorder: Recorder) -> None:
    answer = client.get(url)

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["code"] == "NAME_INVALID"
    assert not recorder.asked


@pytest.mark.parametrize(
    ("query", "code"), [("from=C", "NAME_INVALID"), ("from=c&from=d", "UNSUPPORTED")]
)
def test_bad_source_of_a_mount(
    query: str, code: str, client: TestClient, recorder: Recorder
) -> None:
    answer = client.post(f"/v2/a/blobs/uploads/?mount={DIGEST}&{query}")

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["code"] == code
    assert not recorder.asked


def challenge(*, is_expired: bool = False) -> UnauthorizedError:
    return UnauthorizedError("authentication required", "Basic realm=x", is_expired=is_expired)


def test_unauthorized(client: TestClient, recorder: Recorder) -> None:
    recorder.refuse(challenge())

    answer = client.put("/v2/a/b/manifests/latest", content=b"{}")

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Basic realm=x"
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {
        "errors": [
            {
                "code": "UNAUTHORIZED",
                "message": "authentication required",
                "detail": [
                    {"Type": "repository", "Class": "", "Name": "a/b", "Action": "pull"},
                    {"Type": "repository", "Class": "", "Name": "a/b", "Action": "push"},
                ],
            }
        ]
    }


def test_unauthorized_where_nothing_in_particular_is_wanted(
    client: TestClient, recorder: Recorder
) -> None:
    recorder.refuse(challenge())

    answer = client.get("/v2/")

    assert answer.status_code == 401
    assert answer.json()["errors"][0]["detail"] is None


def test_nothing_is_read_before(client: TestClient, recorder: Recorder) -> None:
    """The same refusal whether or not there is something, and whatever else is wrong."""
    client.post("/v2/a/b/blobs/uploads/")
    answers: set[bytes] = set()
    for url in ("/v2/a/b/manifests/none", "/v2/a/b/tags/list?n=x", f"/v2/a/b/blobs/{DIGEST}"):
        recorder.refuse(challenge())
        answers.add(client.get(url).content)

    assert len(answers) == 1


def test_head_is_refused_without_a_body(client: TestClient, recorder: Recorder) -> None:
    recorder.refuse(challenge())

    answer = client.head("/v2/a/b/manifests/latest")

    assert answer.status_code == 401
    assert "www-authenticate" in answer.headers


@pytest.mark.parametrize("text", ["a\r\nSet-Cookie: b", "a\x00b", "a\u2028b"])
def test_challenge_of_a_plugin_stays_one_header(
    text: str, client: TestClient, recorder: Recorder
) -> None:
    recorder.refuse(UnauthorizedError("no", text))

    answer = client.get("/v2/")

    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers
    assert answer.headers["www-authenticate"].startswith("a")


def test_denied(client: TestClient, recorder: Recorder) -> None:
    recorder.refuse(DeniedError("not for you"))

    answer = client.delete("/v2/a/b/manifests/latest")

    assert answer.status_code == 403
    assert answer.json()["errors"][0] == {
        "code": "DENIED",
        "message": "not for you",
        "detail": [{"Type": "repository", "Class": "", "Name": "a/b", "Action": "delete"}],
    }


def test_detail_of_a_plugin_stays(client: TestClient, recorder: Recorder) -> None:
    recorder.refuse(DeniedError("not for you", detail={"why": "x"}))

    assert client.get("/v2/a/tags/list").json()["errors"][0]["detail"] == {"why": "x"}


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (BusyError("later", retry_after=2.5), 429, "TOOMANYREQUESTS"),
        (AuthenticationUnavailableError("later", retry_after=2.5), 503, "UNAVAILABLE"),
    ],
)
def test_too_busy_or_unable(
    error: Exception, status: int, code: str, client: TestClient, recorder: Recorder
) -> None:
    recorder.refuse(error)

    answer = client.get("/v2/")

    assert answer.status_code == status
    assert answer.headers["retry-after"] == "3"
    assert answer.json()["errors"][0]["code"] == code


def test_failing_authenticator_lets_nobody_in(
    client: TestClient, recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    recorder.refuse(ValueError("of its own"))

    answer = client.get("/v2/")

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"
    assert "of its own" not in answer.text
    assert "the authenticator failed" in caplog.text


class _OwnError(UnauthorizedError):
    """A plug-in's own kind of refusal."""


def test_error_derived_by_a_plugin(client: TestClient, recorder: Recorder) -> None:
    recorder.refuse(_OwnError("no", "Basic realm=x"))

    assert client.get("/v2/").status_code == 401


# -- uploads that outlive their token -------------------------------------------------------


def begin(client: TestClient) -> str:
    return str(client.post("/v2/a/b/blobs/uploads/").headers["location"])


def test_upload_goes_on_with_what_was_good_when_it_began(
    client: TestClient, recorder: Recorder
) -> None:
    location = begin(client)
    recorder.refuse(challenge(is_expired=True), None)

    answer = client.patch(location, content=b"x")

    assert answer.status_code == 202
    (first, wanted), (second, again) = recorder.asked[-2:]
    assert (first.moment, wanted) == (None, (PULL, PUSH))
    assert second.moment == pytest.approx(time.time(), abs=5)
    assert again == wanted


def test_what_was_not_good_when_the_upload_began(client: TestClient, recorder: Recorder) -> None:
    location = begin(client)
    recorder.refuse(challenge(is_expired=True), challenge())

    assert client.patch(location, content=b"x").status_code == 401
    assert len(recorder.asked) == 3


@pytest.mark.parametrize(
    "url",
    [
        UPLOAD,
        "/v2/a/b/blobs/uploads/nonsense",
        "/v2/a/b/blobs/uploads/.%2e",
        "/v2/a/b/manifests/latest",
        "/v2/a/b/blobs/uploads/",
    ],
)
def test_expired_is_expired_without_such_an_upload(
    url: str, client: TestClient, recorder: Recorder
) -> None:
    recorder.refuse(challenge(is_expired=True), None)

    assert client.put(url, content=b"x").status_code == 401
    assert len(recorder.asked) == 1


def test_another_repository_s_upload_is_no_excuse(client: TestClient, recorder: Recorder) -> None:
    elsewhere = begin(client).replace("/a/b/", "/a/c/")
    recorder.refuse(challenge(is_expired=True), None)

    assert client.put(elsewhere, content=b"x").status_code == 401


def test_upload_may_not_last_for_ever(
    client: TestClient, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    location = begin(client)
    monkeypatch.setattr(gate, "LONGEST_UPLOAD", -2.0)
    recorder.refuse(challenge(is_expired=True), None)

    assert client.patch(location, content=b"x").status_code == 401


# -- mounts ---------------------------------------------------------------------------------


def push(client: TestClient, name: str) -> str:
    content = b"content"
    digest = "sha256:ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73"
    answer = client.post(f"/v2/{name}/blobs/uploads/?digest={digest}", content=content)
    assert answer.status_code == 201, answer.text
    return digest


def test_no_mount_from_nowhere_in_particular(client: TestClient) -> None:
    """Who knows a digest does not get to read it by mounting it from a repository unseen."""
    digest = push(client, "secret/images")

    answer = client.post(f"/v2/own/blobs/uploads/?mount={digest}")

    assert answer.status_code == 202
    assert client.get(f"/v2/own/blobs/{digest}").status_code == 404
    named = client.post(f"/v2/own/blobs/uploads/?mount={digest}&from=secret/images")
    assert named.status_code == 201
    again = client.post(f"/v2/own/blobs/uploads/?mount={digest}")
    assert again.status_code == 201, "what is there already needs no right to read elsewhere"


def test_mount_from_anywhere_where_everybody_may_read(guarded: Guarded) -> None:
    client = guarded()
    digest = push(client, "images")

    assert client.post(f"/v2/own/blobs/uploads/?mount={digest}").status_code == 201


# -- configuration --------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["none", "", "{none: {}}"])
def test_without_authentication(value: str, guarded: Guarded) -> None:
    assert guarded(AUTH=value).get("/v2/").status_code == 200


def test_unknown_way_of_authentication(guarded: Guarded) -> None:
    with pytest.raises(ConfigurationError, match=r"^auth: no authenticator named 'htpaswd' is"):
        guarded(AUTH="htpaswd")


@pytest.mark.parametrize(
    ("auth", "mistakes"),
    [
        ({"htpasswd": {}}, ["auth.htpasswd.realm: missing", "auth.htpasswd.path: missing"]),
        ({"htpasswd": {"realm": "a\nb", "path": "/p"}}, ["auth.htpasswd.realm: it goes into"]),
        ({"htpasswd": {"realm": "a", "path": ""}}, ["auth.htpasswd.path: it must not be empty"]),
        ({"htpasswd": {"realm": "a", "path": "/p", "pathh": 1}}, ["auth.htpasswd.pathh: unknown"]),
        ({"silly": {"realm": "a"}}, ["auth.silly.service: missing"]),
        (
            {"token": {"realm": "x", "service": "s"}},
            ["auth.token.realm: a URL is wanted", "auth.token.issuer: missing"],
        ),
        (
            {"token": {"realm": "https://a/", "service": "s", "issuer": "i"}},
            ["auth.token: no signing key is trusted"],
        ),
        (
            {
                "token": {
                    "realm": "https://a/",
                    "service": "s",
                    "issuer": "i",
                    "jwks": "/j",
                    "signingalgorithms": ["none"],
                    "autoredirectpath": "x y",
                }
            },
            ["auth.token.autoredirectpath: a path is wanted", "auth.token.signingalgorithms.0: "],
        ),
    ],
)
def test_mistakes_are_told_by_their_place(
    auth: dict[str, Any], mistakes: list[str], guarded: Guarded
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        guarded(AUTH=json.dumps(auth))

    assert len(caught.value.mistakes) == len(mistakes)
    for told, expected in zip(caught.value.mistakes, mistakes, strict=True):
        assert told.startswith(expected), told


def test_authenticator_that_cannot_be_opened(guarded: Guarded) -> None:
    @asynccontextmanager
    async def failing(_: Options, __: Rights) -> AsyncGenerator[Authenticator, None]:
        raise OSError("no such server")
        yield

    with pytest.raises(PluginError, match="'recorder' failed to open: no such server"):
        guarded(plugged(failing), AUTH="recorder")


def test_silly_lets_in_who_sends_anything(
    guarded: Guarded, caplog: pytest.LogCaptureFixture
) -> None:
    client = guarded(AUTH_SILLY_REALM="r", AUTH_SILLY_SERVICE="s")

    answer = client.put("/v2/a/manifests/x", content=b"")

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == (
        'Bearer realm="r",service="s",scope="repository:a:pull repository:a:push"'
    )
    assert client.get("/v2/", headers={"Authorization": "x"}).status_code == 200
    assert "everybody who sends any credentials" in caplog.text
