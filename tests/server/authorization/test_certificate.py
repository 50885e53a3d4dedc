"""Users known by client certificates, and registries that ask nobody."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send
from tests.server.authorization.conftest import RULES, Start
from tests.server.conftest import Pusher

from entrepot.core.access import ClientCertificate
from entrepot.core.errors import ConfigurationError

HTTP = {"tls": {"clientcas": ["/a"]}}
OPTIONAL = {"tls": HTTP["tls"] | {"clientauth": "verify-client-cert-if-given"}}
BOB = ClientCertificate("bob", ("alice", "bob@example.com"))


class Presenting:
    """Stands before an application like a listener that verified a client's certificate."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.certificate: ClientCertificate | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope["entrepot.certificate"] = self.certificate
        await self.app(scope, receive, send)


@pytest.fixture
def present(start: Start) -> Any:
    """A client with a certificate, or without."""

    def client(certificate: ClientCertificate | None, **sections: Any) -> TestClient:
        given: dict[str, Any] = {"auth": {"certificate": {}}, "http": HTTP}
        given["access"] = {"rules": RULES}
        started = start(**given | sections)
        presenting = Presenting(started.app)
        presenting.certificate = certificate
        return TestClient(presenting, "http://registry.test")

    return client


def test_certificate_says_who_it_is(present: Any) -> None:
    client = present(BOB)

    Pusher(client).image("bob/app", "1")

    assert client.get("/v2/").status_code == 200
    assert client.get("/v2/bob/app/tags/list").json()["tags"] == ["1"]
    assert client.get("/v2/_catalog").json() == {"repositories": ["bob/app"]}


def test_who_may_not_is_denied(present: Any) -> None:
    answer = present(BOB).post("/v2/alice/app/blobs/uploads/")

    assert answer.status_code == 403
    error = answer.json()["errors"][0]
    assert (error["code"], error["message"]) == ("DENIED", "bob may not pull alice/app")


def test_alternative_name_can_say_who_it_is(present: Any) -> None:
    client = present(BOB, auth={"certificate": {"identity": "alternative"}})

    assert client.post("/v2/alice/app/blobs/uploads/").status_code == 202


@pytest.mark.parametrize(
    ("certificate", "identity"),
    [(ClientCertificate("", ("a",)), "subject"), (ClientCertificate("a"), "alternative")],
)
def test_certificate_without_a_name_is_denied(
    present: Any, certificate: ClientCertificate, identity: str
) -> None:
    client = present(certificate, auth={"certificate": {"identity": identity}})

    assert client.get("/v2/").status_code == 403


def test_without_a_certificate_one_may_do_what_everybody_may(present: Any) -> None:
    client = present(None, http=OPTIONAL)

    assert client.get("/v2/").status_code == 200
    assert client.get("/v2/public/app/tags/list").status_code == 404
    assert client.get("/v2/team/app/tags/list").status_code == 403
    assert client.post("/v2/public/app/blobs/uploads/").status_code == 403


@pytest.mark.parametrize("access", [None, {"rules": RULES[1:]}])
def test_without_a_certificate_nothing_goes_where_nothing_is_for_everybody(
    present: Any, access: Any
) -> None:
    client = present(None, access=access)

    assert client.get("/v2/").status_code == 403
    assert client.get("/v2/public/app/tags/list").status_code == 403


def test_without_a_policy_a_certificate_opens_everything(present: Any) -> None:
    assert present(BOB, access=None).post("/v2/alice/app/blobs/uploads/").status_code == 202


def test_nobody_is_asked_and_the_rules_for_everybody_hold(start: Start) -> None:
    client = start(auth={"none": None}, access={"rules": RULES})

    assert client.get("/v2/").status_code == 200
    assert client.get("/v2/public/app/tags/list").status_code == 404
    answer = client.post("/v2/public/app/blobs/uploads/")
    assert answer.status_code == 403
    told = "somebody without a name may not push public/app"
    assert answer.json()["errors"][0]["message"] == told
    assert client.get("/v2/_catalog").status_code == 403


RULE = {"access": {"rules": [{"users": ["a"], "actions": ["catalog"]}]}}
TOKEN = {"token": {"realm": "http://a", "service": "s", "issuer": "i", "jwks": "/j"}}


@pytest.mark.parametrize(
    ("sections", "told"),
    [
        ({"auth": TOKEN} | RULE, "access: no effect with `auth.token`"),
        ({"auth": {"certificate": {}}}, "auth.certificate: nobody's certificate is trusted"),
        (
            {
                "auth": {"certificate": {}},
                "http": {"tls": HTTP["tls"] | {"clientauth": "request-client-cert"}},
            },
            "http.tls.clientauth: request-client-cert verifies nothing",
        ),
        (
            {"auth": {"entrepot": {"htpasswd": "/u"}}, "http": {"workers": 2}},
            "auth.entrepot.keys: none, and the 2 workers",
        ),
    ],
)
def test_sections_that_do_not_go_together_are_told(
    start: Start, sections: dict[str, Any], told: str
) -> None:
    with pytest.raises(ConfigurationError) as raised:
        start(**sections)

    (mistake,) = raised.value.mistakes
    assert mistake.startswith(told)
