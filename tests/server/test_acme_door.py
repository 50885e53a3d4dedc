"""The listener that an authority asks, and those who come there by mistake."""

from __future__ import annotations

import http.client
import socket
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from entrepot.core.configuration import Address
from entrepot.core.errors import ConfigurationError
from entrepot.server.acme.cache import Cache
from entrepot.server.acme.door import Door, open_door

HOSTS = ("a.example.com", "b.example.com")
PATH = "/.well-known/acme-challenge"


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path, HOSTS)


@pytest.fixture
def client(cache: Cache) -> TestClient:
    app = Door(cache, HOSTS)
    return TestClient(app, base_url="http://a.example.com", follow_redirects=False)


def test_answer_comes_from_the_cache(cache: Cache, client: TestClient) -> None:
    cache.put_answer("token", "token.thumbprint")

    answer = client.get(f"{PATH}/token", headers={"Host": "whatever"})

    assert (answer.status_code, answer.content) == (200, b"token.thumbprint")


@pytest.mark.parametrize(
    "path", ["/unknown", "/", "", "/a/b", "/..%2Fa.example.com", "/%00", "/acme_account+key"]
)
def test_unknown_token_is_not_found(path: str, cache: Cache, client: TestClient) -> None:
    cache.account()
    cache.path.write_text("secret")

    answer = client.get(f"{PATH}{path}", headers={"Host": "c.example.com"})

    assert (answer.status_code, answer.content) == (404, b"")


@pytest.mark.parametrize("host", ["a.example.com", "B.Example.com:8080"])
def test_others_are_sent_to_https(host: str, client: TestClient) -> None:
    answer = client.get("/v2/?n=1", headers={"Host": host})

    assert answer.status_code == 302
    name = host.partition(":")[0].lower()
    assert answer.headers["Location"].lower() == f"https://{name}/v2/?n=1"


@pytest.mark.parametrize("host", ["evil.example", "a.example.com.evil.example", "[", "", "a@b"])
def test_nobody_is_sent_to_a_stranger(host: str, client: TestClient) -> None:
    answer = client.get("/v2/", headers={"Host": host})

    assert answer.status_code == 404
    assert "Location" not in answer.headers


def test_nothing_is_taken(client: TestClient) -> None:
    assert client.post("/v2/a/blobs/uploads/").status_code == 400


@pytest.mark.parametrize("host", ["", "127.0.0.1", "::1"])
def test_door_answers_while_it_is_open(host: str, cache: Cache) -> None:
    cache.put_answer("token", "text")

    with open_door(Door(cache, HOSTS), Address(host, 0)) as port:
        connection = http.client.HTTPConnection(host or "127.0.0.1", port, timeout=10)
        connection.request("GET", f"{PATH}/token")
        assert connection.getresponse().read() == b"text"
        connection.close()

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host or "127.0.0.1", port))


def test_door_that_cannot_be_opened_is_no_wait_for_ever(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no server")

    monkeypatch.setattr("entrepot.server.acme.door.debug_listener", fail)

    with (
        pytest.raises(RuntimeError, match="no server"),
        open_door(Door(cache, HOSTS), Address("127.0.0.1", 0)),
    ):
        pass


def test_address_that_is_taken_is_a_mistake(cache: Cache) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with (
            pytest.raises(ConfigurationError) as raised,
            open_door(Door(cache, HOSTS), Address("127.0.0.1", port)),
        ):
            pass

    (line,) = raised.value.mistakes
    assert line == (
        f"http.tls.letsencrypt.httpaddr: cannot listen on 127.0.0.1:{port}: Address already in "
        "use; the authority asks there, through port 80 of each host"
    )
