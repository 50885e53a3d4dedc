"""The registry's own token service, as clients speak to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jwt
import pytest
from starlette.testclient import TestClient
from tests.server.authorization.conftest import ALICE, BOB, RULES, USERS, Start, ask, token

PULL_PUSH = "repository:team/app:pull,push"


def claims(answer: Any) -> dict[str, Any]:
    return jwt.decode(answer.json()["token"], options={"verify_signature": False})


def granted(answer: Any) -> set[str]:
    return {
        f"{one['type']}:{one['name']}:{','.join(one['actions'])}"
        for one in claims(answer)["access"]
    }


def post(client: TestClient, **fields: str) -> Any:
    return client.post("/auth/token", data={"service": "entrepot"} | fields)


def test_challenge_leads_to_the_service(service: TestClient) -> None:
    answer = service.get("/v2/")

    assert answer.status_code == 401
    wanted = 'Bearer realm="https://registry.test/auth/token",service="entrepot"'
    assert answer.headers["WWW-Authenticate"] == wanted


def test_challenge_names_the_scope(service: TestClient) -> None:
    answer = service.put("/v2/team/app/manifests/1")

    assert answer.headers["WWW-Authenticate"].endswith(f',scope="{PULL_PUSH}"')


@pytest.mark.parametrize(
    ("url", "headers", "http", "realm"),
    [
        ("http://127.0.0.1:5000", {}, {}, "http://127.0.0.1:5000/auth/token"),
        ("http://localhost", {}, {}, "http://localhost/auth/token"),
        ("http://[::1]:5000", {}, {}, "http://[::1]:5000/auth/token"),
        ("http://lan:5000", {}, {}, "https://lan:5000/auth/token"),
        ("http://lan:5000", {"X-Forwarded-Proto": "http"}, {}, "http://lan:5000/auth/token"),
        ("http://x", {"X-Forwarded-Host": "a.test"}, {}, "https://a.test/auth/token"),
        ("http://x", {"Forwarded": "proto=https;host=a.test"}, {}, "https://a.test/auth/token"),
        ("http://x", {}, {"host": "http://a.test:80"}, "http://a.test:80/auth/token"),
        ("http://localhost", {}, {"prefix": "/reg/"}, "http://localhost/reg/auth/token"),
    ],
)
def test_realm_is_where_the_client_can_reach_it(
    start: Start,
    users: Path,
    key: Path,
    url: str,
    headers: dict[str, str],
    http: dict[str, str],
    realm: str,
) -> None:
    auth = {"entrepot": {"htpasswd": str(users), "keys": [str(key)]}}
    client = start(url, auth=auth, http=http)
    prefix = http.get("prefix", "/")

    answer = client.get(f"{prefix}v2/", headers=headers)

    assert f'realm="{realm}"' in answer.headers["WWW-Authenticate"]
    at = realm.partition("//")[2].partition("/")[2]
    assert client.get(f"/{at}", headers=headers).status_code == 200


def test_realm_of_the_configuration_counts(start: Start, users: Path, key: Path) -> None:
    realm = "https://tokens.test/auth/token"
    client = start(auth={"entrepot": {"htpasswd": str(users), "realm": realm, "keys": [str(key)]}})

    assert f'realm="{realm}"' in client.get("/v2/").headers["WWW-Authenticate"]


@pytest.mark.parametrize(
    ("user", "scopes", "wanted"),
    [
        (ALICE, [PULL_PUSH], {PULL_PUSH}),
        (ALICE, ["repository:team/app:push,pull"], {PULL_PUSH}),
        (ALICE, [], set[str]()),
        (ALICE, ["repository:app:*"], {"repository:app:pull,push,delete"}),
        (ALICE, ["registry:catalog:*"], {"registry:catalog:*"}),
        (BOB, [PULL_PUSH], {"repository:team/app:pull"}),
        (BOB, ["repository:team/app:push"], set[str]()),
        (BOB, ["repository:bob/app:*"], {"repository:bob/app:pull,push,delete"}),
        (BOB, ["repository:alice/app:pull"], set[str]()),
        (BOB, ["registry:catalog:*"], {"registry:catalog:*"}),
        (None, ["registry:catalog:*"], set[str]()),
        (None, ["repository:public/app:pull,push"], {"repository:public/app:pull"}),
        (None, [PULL_PUSH], set[str]()),
        (("", ""), ["repository:public/app:pull"], {"repository:public/app:pull"}),
        (BOB, [PULL_PUSH, "repository:team/app:pull"], {"repository:team/app:pull"}),
        (
            BOB,
            ["repository:bob/a:push repository:team/app:pull repository:no:pull"],
            {"repository:bob/a:push", "repository:team/app:pull"},
        ),
        (BOB, ["repository(plugin):bob/a:pull"], {"repository:bob/a:pull"}),
        (ALICE, ["repository:host:5000/app:pull", "repository:A:pull"], set[str]()),
        (ALICE, ["repository:a/../b:pull", "repository::pull", "a", ":", "::"], set[str]()),
        (ALICE, ["registry:other:*", "registry:catalog:pull", "x:app:pull"], set[str]()),
        (ALICE, ["repository:app:admin", "repository:app:"], set[str]()),
    ],
)
def test_token_grants_what_is_asked_for_and_allowed(
    service: TestClient, user: tuple[str, str] | None, scopes: list[str], wanted: set[str]
) -> None:
    answer = ask(service, user, *scopes)

    assert answer.status_code == 200
    assert granted(answer) == wanted
    assert set(answer.json()["scope"].split()) == wanted


def test_answer_has_what_clients_read(service: TestClient) -> None:
    answer = ask(service, ALICE, PULL_PUSH)

    body = answer.json()
    assert body["token"] == body["access_token"]
    assert body["expires_in"] == 300
    assert body["issued_at"].endswith("Z")
    assert "refresh_token" not in body
    assert answer.headers["Cache-Control"] == "no-store"
    said = claims(answer)
    assert (said["sub"], said["aud"], said["iss"]) == ("alice", "entrepot", "entrepot")
    assert said["exp"] - said["iat"] == 300


@pytest.mark.parametrize(
    "header",
    ["", "Basic", "Basic !", "Basic YQ==", "Bearer x", "Negotiate x", "Basic " + "YWxpY2U6" * 2000],
)
def test_header_that_is_no_password_is_refused(service: TestClient, header: str) -> None:
    answer = service.get("/auth/token", headers={"Authorization": header})

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic realm=")


@pytest.mark.parametrize(
    "user",
    [("alice", "wrong"), ("alice", ""), ("nobody", "s3cret"), ("", "s3cret"), ("ALICE", "x")],
)
def test_wrong_password_is_told_the_same_way_whoever_it_is(
    service: TestClient, user: tuple[str, str]
) -> None:
    answer = ask(service, user, PULL_PUSH)
    form = post(service, grant_type="password", username=user[0], password=user[1])

    assert answer.status_code == form.status_code == 401
    assert answer.content == form.content
    assert answer.json()["errors"][0]["message"] == "wrong user name or password"


def test_docker_logs_in_once_and_refreshes(service: TestClient) -> None:
    login = ask(service, ALICE, account="alice", client_id="docker", offline_token="true")
    refresh = login.json()["refresh_token"]

    answer = post(
        service,
        grant_type="refresh_token",
        client_id="docker",
        refresh_token=refresh,
        scope=PULL_PUSH,
    )

    assert answer.status_code == 200
    assert granted(answer) == {PULL_PUSH}
    assert claims(answer)["sub"] == "alice"
    assert "refresh_token" not in answer.json()


def test_containerd_posts_a_password(service: TestClient) -> None:
    answer = post(
        service,
        grant_type="password",
        client_id="containerd-client",
        username="bob",
        password="hunter2",
        scope="repository:team/app:pull repository:bob/app:pull,push",
    )

    assert granted(answer) == {"repository:team/app:pull", "repository:bob/app:pull,push"}


def test_posted_password_gets_a_refresh_token_when_offline(service: TestClient) -> None:
    fields = {"grant_type": "password", "username": "bob", "password": "hunter2"}

    assert "refresh_token" not in post(service, **fields).json()
    assert "refresh_token" in post(service, **fields, access_type="offline").json()


def test_nobody_gets_a_refresh_token(service: TestClient) -> None:
    assert "refresh_token" not in ask(service, None, offline_token="true").json()


@pytest.mark.parametrize("lines", [USERS.replace("alice:", "alicia:"), USERS[USERS.index("bob") :]])
def test_refresh_token_ends_with_the_user(service: TestClient, users: Path, lines: str) -> None:
    refresh = ask(service, ALICE, offline_token="true").json()["refresh_token"]

    users.write_text(lines)

    answer = post(service, grant_type="refresh_token", refresh_token=refresh)
    assert answer.status_code == 401


def test_refresh_token_ends_with_the_password(service: TestClient, users: Path) -> None:
    refresh = ask(service, ALICE, offline_token="true").json()["refresh_token"]
    assert post(service, grant_type="refresh_token", refresh_token=refresh).status_code == 200

    of_bob = USERS.split("bob:")[1].strip()
    users.write_text(f"alice:{of_bob}\nbob:{of_bob}\n")

    answer = post(service, grant_type="refresh_token", refresh_token=refresh)
    assert answer.status_code == 401
    assert answer.json()["error"] == "invalid_grant"


def test_refresh_tokens_can_be_turned_off(start: Start, users: Path, key: Path) -> None:
    options = {"htpasswd": str(users), "keys": [str(key)], "refreshlifetime": "0s"}
    client = start(auth={"entrepot": options})

    assert "refresh_token" not in ask(client, ALICE, offline_token="true").json()


def test_key_of_one_process_makes_no_refresh_tokens(start: Start, users: Path) -> None:
    client = start(auth={"entrepot": {"htpasswd": str(users)}})

    assert "refresh_token" not in ask(client, ALICE, offline_token="true").json()
    assert client.get("/v2/", headers=token(client, ALICE)).status_code == 200


def test_without_a_policy_the_known_may_do_everything(start: Start, users: Path, key: Path) -> None:
    client = start(auth={"entrepot": {"htpasswd": str(users), "keys": [str(key)]}})

    assert granted(ask(client, BOB, PULL_PUSH, "registry:catalog:*")) == {
        PULL_PUSH,
        "registry:catalog:*",
    }
    assert granted(ask(client, None, PULL_PUSH, "registry:catalog:*")) == set()


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("service=other", "for the service 'entrepot' only"),
        ("service=entrepot&service=other", "service is given more than once"),
        ("&".join(f"a{n}=1" for n in range(201)), "more than 200 parameters"),
        ("&".join(f"scope=repository:a{n}:pull" for n in range(101)), "100 resources at most"),
        (
            "&".join(f"scope=repository:{'a' * 200}{n}:pull" for n in range(60)),
            "too long; ask for less",
        ),
    ],
)
def test_bad_request_is_told(service: TestClient, query: str, told: str) -> None:
    answer = service.get(f"/auth/token?{query}", auth=ALICE)

    assert answer.status_code == 400
    assert told in answer.json()["errors"][0]["message"]
    assert answer.json()["error"] == "invalid_request"


@pytest.mark.parametrize(
    ("fields", "status", "error"),
    [
        ({}, 400, "unsupported_grant_type"),
        ({"grant_type": "client_credentials"}, 400, "unsupported_grant_type"),
        ({"grant_type": "refresh_token"}, 401, "invalid_grant"),
        ({"grant_type": "refresh_token", "refresh_token": "x"}, 401, "invalid_grant"),
        ({"grant_type": "password", "username": "alice"}, 401, "invalid_grant"),
        ({"grant_type": "password", "username": "a" * 70_000}, 413, "invalid_request"),
    ],
)
def test_bad_form_is_told(
    service: TestClient, fields: dict[str, str], status: int, error: str
) -> None:
    answer = post(service, **fields)

    assert (answer.status_code, answer.json()["error"]) == (status, error)


def test_form_of_another_kind_is_refused(service: TestClient) -> None:
    answer = service.post("/auth/token", json={"grant_type": "password"})

    assert answer.status_code == 415


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"])
def test_other_methods_are_refused(service: TestClient, method: str) -> None:
    answer = service.request(method, "/auth/token")

    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, POST")


def test_there_is_no_service_unless_it_is_configured(start: Start, users: Path) -> None:
    client = start(auth={"htpasswd": {"realm": "r", "path": str(users)}}, access={"rules": RULES})

    assert client.get("/auth/token").status_code == 404
