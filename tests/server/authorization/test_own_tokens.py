"""What tokens of our own open, and that nothing else passes for one."""

from __future__ import annotations

import base64
import hmac
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from starlette.testclient import TestClient
from tests.server.authorization.conftest import ALICE, BOB, Start, ask, token
from tests.server.conftest import Pusher

from entrepot.core.access import Identity
from entrepot.server.authorization import rights
from entrepot.server.authorization.keys import SigningKeys, read_keys, write_key
from entrepot.server.authorization.scopes import Resource
from entrepot.server.authorization.tokens import Tokens

ALL = "repository:team/app:pull,push,delete"
OWN = [Resource("repository", "team/app", ("pull", "push"))]
UPLOADS = "/v2/team/app/blobs/uploads/"


def pushed(client: TestClient, repository: str) -> None:
    client.headers.update(token(client, ALICE, f"repository:{repository}:pull,push"))
    Pusher(client).image(repository, "1")
    del client.headers["Authorization"]


def test_token_opens_what_it_grants_and_nothing_else(service: TestClient) -> None:
    service.headers.update(token(service, ALICE, "repository:team/app:pull,push"))

    Pusher(service).image("team/app", "1")

    assert service.get("/v2/team/app/manifests/1").status_code == 200
    for answer in (
        service.delete("/v2/team/app/manifests/1"),
        service.get("/v2/team/other/tags/list"),
        service.get("/v2/_catalog"),
    ):
        assert answer.status_code == 401
        assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]


def test_who_may_only_pull_cannot_push(service: TestClient) -> None:
    pushed(service, "team/app")

    header = token(service, BOB, ALL)

    assert service.get("/v2/team/app/manifests/1", headers=header).status_code == 200
    assert service.post(UPLOADS, headers=header).status_code == 401
    assert service.delete("/v2/team/app/manifests/1", headers=header).status_code == 401


def test_what_everybody_may_pull_needs_no_token(service: TestClient) -> None:
    pushed(service, "public/app")

    assert service.get("/v2/public/app/manifests/1").status_code == 200
    assert service.post("/v2/public/app/blobs/uploads/").status_code == 401
    assert service.get("/v2/team/app/manifests/1").status_code == 401


def test_anonymous_token_opens_the_base_and_what_everybody_may_pull(service: TestClient) -> None:
    pushed(service, "public/app")

    header = token(service, None, "repository:public/app:pull")

    assert service.get("/v2/", headers=header).status_code == 200
    assert service.get("/v2/public/app/manifests/1", headers=header).status_code == 200


def test_blob_of_a_repository_that_may_not_be_read_is_not_mounted(service: TestClient) -> None:
    service.headers.update(token(service, ALICE, "repository:secret/app:pull,push"))
    digest = Pusher(service).blob("secret/app", b"secret")
    mount = {"mount": digest, "from": "secret/app"}
    scopes = ("repository:bob/app:pull,push", "repository:secret/app:pull")

    for_bob = service.post(
        "/v2/bob/app/blobs/uploads/", params=mount, headers=token(service, BOB, *scopes)
    )
    for_alice = service.post(
        "/v2/bob/app/blobs/uploads/", params=mount, headers=token(service, ALICE, *scopes)
    )

    assert for_bob.status_code == 401
    assert for_alice.status_code == 201


def test_password_is_no_token(service: TestClient) -> None:
    answer = service.get("/v2/", auth=ALICE)

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")


def tokens(path: Path, **more: Any) -> Tokens:
    given: dict[str, Any] = {"issuer": "entrepot", "service": "entrepot"} | more
    return Tokens(read_keys([str(path)]), lifetime=300, refresh_lifetime=600, **given)


def other_key() -> SigningKeys:
    return SigningKeys.of(ec.generate_private_key(ec.SECP256R1()), are_shared=True)


def with_header(header: dict[str, Any]) -> Callable[[Path], str]:
    """A token with a header of its own, signed by our key."""

    def made(path: Path) -> str:
        own = tokens(path)
        claims: dict[str, Any] = {"iss": "entrepot", "aud": "entrepot", "sub": "alice"}
        claims["exp"] = time.time() + 99
        claims["access"] = [{"type": "repository", "name": "team/app", "actions": ["*"]}]
        return jwt.encode(claims, own.keys.private, "ES256", {"kid": own.keys.kid} | header)

    return made


def by_another_key(_: Path) -> str:
    own = Tokens(other_key(), "entrepot", "entrepot", 300, 600)
    return own.access(Identity("alice"), OWN, time.time())


def by_another_key_under_our_name(path: Path) -> str:
    theirs, ours = other_key(), tokens(path).keys
    forged = SigningKeys(ours.kid, theirs.private, theirs.trusted, are_shared=True)
    return Tokens(forged, "entrepot", "entrepot", 300, 600).access(
        Identity("alice"), OWN, time.time()
    )


def by_the_public_key_as_a_secret(path: Path) -> str:
    keys = tokens(path).keys
    public = keys.private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    claims = {"iss": "entrepot", "aud": "entrepot", "sub": "alice", "exp": time.time() + 99}
    token = jwt.encode(claims, "x" * 32, "HS256", {"kid": keys.kid}).rpartition(".")[0]
    signature = hmac.digest(public, token.encode(), "sha256")
    return f"{token}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def unsigned(path: Path) -> str:
    claims = {"iss": "entrepot", "aud": "entrepot", "sub": "alice", "exp": time.time() + 99}
    return jwt.encode(claims, "", "none", {"kid": tokens(path).keys.kid})


def altered(path: Path) -> str:
    header, claims, signature = tokens(path).access(Identity("bob"), OWN, time.time()).split(".")
    more = jwt.encode({"sub": "alice"}, "x" * 32, "HS256").split(".")[1]
    return f"{header}.{claims[:-4]}{more[-4:]}.{signature}"


FORGED: dict[str, Callable[[Path], str]] = {
    "another key": by_another_key,
    "another key under our name": by_another_key_under_our_name,
    "the public key as a secret": by_the_public_key_as_a_secret,
    "unsigned": unsigned,
    "altered": altered,
    "another service": lambda path: tokens(path, service="other").access(
        Identity("alice"), OWN, time.time()
    ),
    "another issuer": lambda path: tokens(path, issuer="other").access(
        Identity("alice"), OWN, time.time()
    ),
    "expired": lambda path: tokens(path).access(Identity("alice"), OWN, time.time() - 361),
    "refresh": lambda path: tokens(path).refresh("alice", "seal", time.time()),
    "refresh type": with_header({"typ": "refresh+jwt"}),
    "no type": with_header({"typ": None}),
    "critical": with_header({"crit": ["exp"]}),
    "own key": with_header({"jwk": {"kty": "EC"}}),
    "certificates": with_header({"x5c": ["a"]}),
    "no text": lambda _: "",
    "no token": lambda _: "a.b.c",
    "nested": lambda _: "W1tb" * 1000 + ".e30.e30",
    "long": lambda _: "a" * 9000,
}


@pytest.mark.parametrize("forged", FORGED)
def test_forgery_is_refused(service: TestClient, key: Path, forged: str) -> None:
    header = {"Authorization": f"Bearer {FORGED[forged](key)}"}

    for path in ("/v2/", "/v2/team/app/tags/list"):
        answer = service.get(path, headers=header)

        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer ")


def test_what_is_no_forgery_passes(service: TestClient, key: Path) -> None:
    good = {
        tokens(key).access(Identity("alice"), OWN, time.time()),
        tokens(key).access(Identity("alice"), OWN, time.time() - 340),  # clocks may differ
        with_header({})(key),
    }

    for one in good:
        header = {"Authorization": f"Bearer {one}"}
        assert service.get("/v2/team/app/tags/list", headers=header).status_code == 404


@pytest.mark.parametrize("forged", sorted(FORGED.keys() - {"refresh"}))
def test_what_is_no_refresh_token_refreshes_nothing(
    service: TestClient, key: Path, forged: str
) -> None:
    form = {"grant_type": "refresh_token", "refresh_token": FORGED[forged](key)}

    assert service.post("/auth/token", data=form).status_code == 401


UNSEALED: dict[str, Callable[[Path], str]] = {
    "access": lambda path: tokens(path).access(Identity("alice"), OWN, time.time()),
    "another seal": lambda path: tokens(path).refresh("alice", "seal", time.time()),
    "nobody's seal": lambda path: tokens(path).refresh("nobody", "", time.time()),
    "of nobody": lambda path: tokens(path).refresh("", "", time.time()),
}


@pytest.mark.parametrize("made", UNSEALED)
def test_token_refreshes_only_with_the_seal_of_the_password(
    service: TestClient, key: Path, made: str
) -> None:
    form = {"grant_type": "refresh_token", "refresh_token": UNSEALED[made](key)}

    assert service.post("/auth/token", data=form).status_code == 401


@pytest.mark.parametrize(
    ("kind", "age", "status"), [("other", 0, 401), ("entrepot", 661, 401), ("entrepot", 650, 200)]
)
def test_refresh_token_is_of_one_service_and_ends(
    service: TestClient, key: Path, kind: str, age: int, status: int
) -> None:
    with_password = ask(service, ALICE, offline_token="true").json()["refresh_token"]
    seal = jwt.decode(with_password, options={"verify_signature": False})["seal"]
    refresh = tokens(key, service=kind).refresh("alice", seal, time.time() - age)
    form = {"grant_type": "refresh_token", "refresh_token": refresh}

    assert service.post("/auth/token", data=form).status_code == status


def test_second_key_verifies_what_it_signed(
    start: Start, users: Path, key: Path, tmp_path: Path
) -> None:
    write_key(str(tmp_path / "new.pem"))
    auth = {"entrepot": {"htpasswd": str(users), "keys": [str(tmp_path / "new.pem"), str(key)]}}
    client = start(auth=auth)
    old = tokens(key).access(Identity("alice"), [], time.time())

    assert client.get("/v2/", headers={"Authorization": f"Bearer {old}"}).status_code == 200
    fresh = token(client, ALICE)
    assert client.get("/v2/", headers=fresh).status_code == 200
    assert jwt.get_unverified_header(fresh["Authorization"][7:])["kid"] != tokens(key).keys.kid


def test_replicas_with_the_same_key_take_each_others_tokens(
    start: Start, users: Path, key: Path
) -> None:
    auth = {"entrepot": {"htpasswd": str(users), "keys": [str(key)]}}
    one, other = start(auth=auth), start(auth=auth)

    assert other.get("/v2/", headers=token(one, ALICE)).status_code == 200


def test_processes_without_a_key_do_not(start: Start, users: Path) -> None:
    auth = {"entrepot": {"htpasswd": str(users)}}
    one, other = start(auth=auth), start(auth=auth)

    assert other.get("/v2/", headers=token(one, ALICE)).status_code == 401


def test_upload_begun_with_a_token_ends_after_it_expired(
    service: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    header = token(service, ALICE, "repository:team/app:pull,push")
    location = service.post(UPLOADS, headers=header).headers["Location"]
    later = time.time() + 3600
    monkeypatch.setattr(time, "time", lambda: later)

    assert service.patch(location, content=b"a", headers=header).status_code == 202
    assert service.post(UPLOADS, headers=header).status_code == 401


def test_policy_in_a_file_of_its_own_is_followed(
    start: Start,
    users: Path,
    key: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(rights, "LOOK", 0.01)
    rule = "rules:\n- {users: [bob], repositories: [app], actions: [ACTION]}\n"
    file = tmp_path / "access.yml"
    file.write_text(rule.replace("ACTION", "pull"))
    auth = {"entrepot": {"htpasswd": str(users), "keys": [str(key)]}}
    client = start(auth=auth, access={"file": str(file)})

    def granted() -> str:
        return str(ask(client, BOB, "repository:app:pull,push,delete").json()["scope"])

    assert granted() == "repository:app:pull"
    file.write_text(rule.replace("ACTION", "push"))
    assert comes_true(lambda: granted() == "repository:app:push")
    file.write_text("rules:\n- {users: [bob], repositories: [App], actions: [pull]}\n")
    assert comes_true(lambda: "rules.0.repositories.0: repositories' names" in caplog.text)
    assert granted() == "repository:app:push"
    file.unlink()
    assert comes_true(lambda: "No such file" in caplog.text)
    assert granted() == "repository:app:push"
    file.write_text(rule.replace("ACTION", "delete"))
    assert comes_true(lambda: granted() == "repository:app:delete")


def comes_true(claim: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 10
    while not claim():
        if time.monotonic() > deadline:
            return False
    return True
