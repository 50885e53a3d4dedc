"""Blobs that the proxy in front is told to send: which answers say so, and what they say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from starlette.testclient import TestClient
from tests.server.conftest import Pusher

from entrepot.core import ConfigurationError
from entrepot.core.configuration import load
from entrepot.core.networks import networks_of
from entrepot.server.app import create_app
from entrepot.server.authorization.addresses import is_from_proxy

LARGE = bytes(range(256)) * 4096
Section: TypeAlias = dict[str, Any]
PROXY, CLIENT = "192.0.2.1", "203.0.113.9"
NGINX = {"header": "X-Accel-Redirect", "prefix": "/entrepot-blobs/"}
APACHE = {"header": "X-Sendfile"}


def client_of(root: Path | None, peer: str = PROXY, **more: Any) -> TestClient:
    """A client at an address, of a registry over a folder, or in memory without."""
    storage: Section = {"filesystem": {"rootdirectory": str(root)}} if root else {"inmemory": {}}
    http: Section = {"trustedproxies": ["192.0.2.0/24"], "sendfile": NGINX, **more.pop("http", {})}
    sections: Section = {"STORAGE": storage, "HTTP": http, **more}
    environ = {f"REGISTRY_{name}": json.dumps(given) for name, given in sections.items()}
    app = create_app(load(None, environ).configuration)
    return TestClient(app, follow_redirects=False, client=(peer, 1))


def path_of(digest: str) -> str:
    return f"docker/registry/v2/blobs/sha256/{digest[7:9]}/{digest[7:]}/data"


def test_nginx_is_told_the_path_below_its_location(tmp_path: Path) -> None:
    with client_of(tmp_path) as client:
        digest = Pusher(client).blob("a", LARGE)
        answer = client.get(f"/v2/a/blobs/{digest}")

    assert answer.status_code == 200
    assert answer.content == b""
    assert dict(answer.headers) == {
        "x-accel-redirect": f"/entrepot-blobs/{path_of(digest)}",
        "docker-content-digest": digest,
        "etag": f'"{digest}"',
        "cache-control": "max-age=31536000",
        "content-type": "application/octet-stream",
        "content-length": "0",
        "docker-distribution-api-version": "registry/2.0",
    }


def test_apache_is_told_the_whole_path(tmp_path: Path) -> None:
    with client_of(tmp_path, http={"sendfile": APACHE}) as client:
        digest = Pusher(client).blob("a", LARGE)
        told = client.get(f"/v2/a/blobs/{digest}").headers["x-sendfile"]

    assert told == f"{tmp_path}/{path_of(digest)}"


@pytest.mark.parametrize("name", ["a b", "%41", "ü", "a\nb", 'a"b', "a;b"])
def test_folder_that_apaches_modules_read_differently_is_refused(tmp_path: Path, name: str) -> None:
    opened = client_of(tmp_path / name, http={"sendfile": APACHE})

    with (
        pytest.raises(ConfigurationError, match=r"sendfile\.header: .* digits and /._~- only"),
        opened,
    ):
        pass


@pytest.mark.parametrize("name", ["a b", "%41", "ü", "a\nb", 'a"b', "a;b"])
def test_nginx_is_not_told_the_folder(tmp_path: Path, name: str) -> None:
    with client_of(tmp_path / name) as client:
        digest = Pusher(client).blob("a", LARGE)
        told = client.get(f"/v2/a/blobs/{digest}").headers["x-accel-redirect"]

    assert told == f"/entrepot-blobs/{path_of(digest)}"


@pytest.mark.parametrize("header", ["bytes=0-9", "bytes=99999999-", "bytes=0-1,5-6", "bytes=x"])
def test_range_is_left_to_the_proxy(tmp_path: Path, header: str) -> None:
    with client_of(tmp_path) as client:
        digest = Pusher(client).blob("a", LARGE)
        answer = client.get(f"/v2/a/blobs/{digest}", headers={"Range": header})

    assert (answer.status_code, answer.content) == (200, b"")
    assert "x-accel-redirect" in answer.headers


@pytest.mark.parametrize(
    ("method", "headers", "status", "content"),
    [
        ("HEAD", {}, 200, b""),
        ("GET", {"If-None-Match": "*"}, 304, b""),
        ("GET", {"If-Match": '"other"'}, 412, b""),
        ("GET", {"If-Match": "*"}, 200, LARGE),
        ("GET", {"If-Unmodified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"}, 200, LARGE),
        ("GET", {"If-Match": "*", "Range": "bytes=0-9"}, 206, LARGE[:10]),
    ],
)
def test_what_a_proxy_would_not_know_is_answered_here(
    tmp_path: Path, method: str, headers: dict[str, str], status: int, content: bytes
) -> None:
    with client_of(tmp_path) as client:
        digest = Pusher(client).blob("a", LARGE)
        answer = client.request(method, f"/v2/a/blobs/{digest}", headers=headers)

    assert (answer.status_code, answer.content) == (status, content)
    assert "x-accel-redirect" not in answer.headers
    if method == "HEAD":
        assert answer.headers["content-length"] == str(len(LARGE))


@pytest.mark.parametrize(("peer", "forwarded"), [(CLIENT, ""), (CLIENT, PROXY), ("no address", "")])
def test_other_clients_get_the_bytes(tmp_path: Path, peer: str, forwarded: str) -> None:
    with client_of(tmp_path, peer) as client:
        digest = Pusher(client).blob("a", LARGE)
        answer = client.get(f"/v2/a/blobs/{digest}", headers={"X-Forwarded-For": forwarded})

    assert answer.content == LARGE
    assert "x-accel-redirect" not in answer.headers


@pytest.mark.parametrize(
    ("client", "found"), [(None, True), (("", 0), True), ((PROXY, 1), True), ((CLIENT, 1), False)]
)
def test_who_reaches_a_socket_is_a_proxy(client: tuple[str, int] | None, found: bool) -> None:
    assert is_from_proxy({"client": client}, networks_of(["192.0.2.0/24"])) is found


@pytest.mark.parametrize(("size", "is_handed"), [(1023, False), (1024, True)])
def test_small_blob_is_sent_from_here(tmp_path: Path, size: int, is_handed: bool) -> None:
    with client_of(tmp_path, http={"sendfile": {**NGINX, "minsize": "1KiB"}}) as client:
        digest = Pusher(client).blob("a", LARGE[:size])
        answer = client.get(f"/v2/a/blobs/{digest}")

    assert answer.content == (b"" if is_handed else LARGE[:size])


def test_redirect_comes_first_and_who_is_not_redirected_is_sent_the_file(tmp_path: Path) -> None:
    redirect = {"name": "redirect", "options": {"baseurl": "https://cdn.test"}}
    storage = {
        "filesystem": {"rootdirectory": str(tmp_path)},
        "redirect": {"exceptnetworks": ["10.0.0.0/8"]},
    }
    middleware = {"storage": [redirect]}
    with client_of(tmp_path, STORAGE=storage, MIDDLEWARE=middleware) as client:
        digest = Pusher(client).blob("a", LARGE)
        answers = [
            client.get(f"/v2/a/blobs/{digest}", headers={"X-Forwarded-For": address})
            for address in (CLIENT, "10.1.2.3")
        ]

    assert [answer.status_code for answer in answers] == [307, 200]
    assert "x-accel-redirect" not in answers[0].headers
    assert answers[1].headers["x-accel-redirect"] == f"/entrepot-blobs/{path_of(digest)}"


def test_unknown_blob_is_unknown(tmp_path: Path) -> None:
    with client_of(tmp_path) as client:
        digest = Pusher(client).blob("a", LARGE)

        assert client.get(f"/v2/b/blobs/{digest}").status_code == 404


@pytest.mark.parametrize("sendfile", [NGINX, APACHE])
def test_driver_without_files_is_refused_at_the_start(sendfile: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError) as caught, client_of(None, http={"sendfile": sendfile}):
        pass

    assert str(caught.value) == (
        "http.sendfile.header: the driver inmemory has no files that a proxy could send; remove "
        "`http.sendfile`, or store in `filesystem`"
    )


@pytest.mark.parametrize(
    ("http", "told"),
    [
        ({"trustedproxies": []}, "http: `sendfile` needs `trustedproxies`: anybody else would"),
        ({"sendfile": {"header": "X-Send"}}, "http.sendfile.header: "),
        ({"sendfile": {"header": "X-Accel-Redirect"}}, "http.sendfile: `prefix` is to be the path"),
        ({"sendfile": {**NGINX, "prefix": "blobs/"}}, "http.sendfile: `prefix` is to be the path"),
        ({"sendfile": {**NGINX, "prefix": "/blobs"}}, "http.sendfile: `prefix` is to be the path"),
        ({"sendfile": {**NGINX, "prefix": "/"}}, "http.sendfile: `prefix` is to be the path"),
        ({"sendfile": {**NGINX, "prefix": "/a b/"}}, "http.sendfile: `prefix` is to be the path"),
        ({"sendfile": {**APACHE, "prefix": "/a/"}}, "http.sendfile: `prefix` goes with"),
        ({"sendfile": {**NGINX, "minsize": "-1"}}, "http.sendfile.minsize: "),
    ],
)
def test_mistake_is_told_with_its_place(tmp_path: Path, http: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        client_of(tmp_path, http=http)

    assert [one.startswith(told) for one in caught.value.mistakes] == [True]


def test_header_is_known_in_any_case(tmp_path: Path) -> None:
    with client_of(tmp_path, http={"sendfile": {"header": "x-sendfile"}}) as client:
        digest = Pusher(client).blob("a", LARGE)

        assert "x-sendfile" in client.get(f"/v2/a/blobs/{digest}").headers


def test_socket_needs_no_proxies_named(tmp_path: Path) -> None:
    http: Section = {"net": "unix", "addr": "/run/entrepot.sock", "trustedproxies": []}

    client_of(tmp_path, http=http)
