"""The gate: what each request needs, that nothing is read before, and what is told of refusals."""

from __future__ import annotations

from dataclasses import replace

import pytest
from starlette.testclient import TestClient
from tests.server.authentication.recording import Recorder, challenge

from entrepot.core.access import (
    AuthenticationUnavailableError,
    BusyError,
    DeniedError,
    UnauthorizedError,
)
from entrepot.server.authentication.needs import needs
from entrepot.server.routes import MANIFEST, Match

DIGEST = "sha256:" + "a" * 64
UPLOAD = "/v2/a/b/blobs/uploads/3a3e3c83-8d1d-4f39-a3b1-d2b5a3d7f0c1"


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


def test_methods_that_strangers_make_up_are_not_remembered() -> None:
    found = Match(MANIFEST, "a/b", "latest")

    assert needs({}, found, "X" * 1000) is needs({}, found, "Y" * 1000)
    assert needs({}, found, "X").wanted == ()


@pytest.mark.parametrize("url", ["/", "/v2/nothing", "/v1/_ping", "/v2/a/b/c"])
def test_nobody_is_asked_where_nothing_is(url: str, client: TestClient, recorder: Recorder) -> None:
    assert client.get(url).status_code in {200, 404}
    assert not recorder.asked


def test_browsers_may_ask_for_options_before_they_log_in(
    client: TestClient, recorder: Recorder
) -> None:
    answer = client.options("/v2/a/b/tags/list")

    assert (answer.status_code, answer.headers["allow"]) == (200, "GET")
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
    assert replace(asking, moment=1.0).base == asking.base
    with pytest.raises(AttributeError):
        _ = asking.nothing  # type: ignore[attr-defined]  # it makes its fields and no others


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
