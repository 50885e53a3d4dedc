"""Blobs that nginx sends in the registry's place, as docs/deployment/nginx-files.conf says."""

import http.client
import itertools
import re
import ssl
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
from tests.real.clients import COPIERS
from tests.real.debugging import until
from tests.real.nginx import certificate, proxy
from tests.real.registry import Registry
from tests.real.servers import Server, StartEntrepot, free_port
from tests.real.test_clients import pulled_digests
from tests.tools.images import make_image
from tests.tools.install import TOP

CONF = TOP / "docs" / "deployment" / "nginx-files.conf"
PROXY = "127.0.0.2"  # where nginx comes from; clients that come without it are at 127.0.0.1
SMALLEST = 1024
LARGE = bytes(itertools.islice(itertools.cycle(range(251)), 300_000))
LINE = re.compile(r'"GET /v2/(\S+)/blobs/(\S+) HTTP/1.[01]" (\d+) (\d+) ')
KEPT = (
    "Accept-Ranges",
    "Cache-Control",
    "Content-Length",
    "Content-Type",
    "Docker-Content-Digest",
    "Docker-Distribution-Api-Version",
    "ETag",
)


@dataclass(frozen=True)
class Place:
    """A registry, and nginx in front of it."""

    server: Server
    address: str
    http: httpx2.Client

    def url(self, digest: str) -> str:
        return f"/v2/a/b/blobs/{digest}"

    def sent_by_registry(self, digest: str) -> list[tuple[int, int]]:
        """Status and bytes of its answers for a blob; nginx has given them to clients before."""
        found = LINE.findall(self.server.log.read_text())
        return [(int(status), int(size)) for _, of, status, size in found if of == digest]


@pytest.fixture(scope="module")
def place(
    tmp_path_factory: pytest.TempPathFactory, entrepot_server: StartEntrepot
) -> Generator[Place, None, None]:
    """Both run; the folder's name has what a URL and a configuration file would not have."""
    folder, port = tmp_path_factory.mktemp("nginx"), free_port()
    root = folder / "images; ü %41 #1"
    sendfile = {"header": "X-Accel-Redirect", "prefix": "/entrepot-blobs/", "minsize": SMALLEST}
    settings = {"http": {"trustedproxies": [PROXY], "sendfile": sendfile}}
    server = entrepot_server(settings, root=root)
    secrets = certificate(folder)
    config = CONF.read_text()
    for documented, here in (
        ("server 127.0.0.1:5000", f"server {server.address}"),
        ("listen 443", f"listen 127.0.0.1:{port}"),
        ("http2 on;", ""),  # of nginx 1.25 and later
        ("/dev/stdout", str(folder / "access.log")),
        ("/run/secrets", str(secrets)),
        ("alias /var/lib/registry/;", f'alias "{root}/";'),
        ("proxy_pass http://registry;", f"proxy_pass http://registry; proxy_bind {PROXY};"),
    ):
        assert config.count(documented) >= 1, documented
        config = config.replace(documented, here)
    before = f"daemon off;\nuser root;\npid {folder}/pid;\nerror_log {folder}/error.log;\n"
    (folder / "nginx.conf").write_text(before + config)
    trusting = ssl.create_default_context(cafile=secrets / "ca.crt")
    address = f"127.0.0.1:{port}"
    with (
        proxy(folder, port),
        httpx2.Client(base_url=f"https://{address}", verify=trusting, timeout=60) as client,
    ):
        yield Place(server, address, client)


@pytest.fixture(scope="module")
def digest(place: Place) -> str:
    """A blob that nginx sends."""
    with Registry(place.server.url) as registry:
        return registry.push_blob("a/b", LARGE)


@pytest.mark.parametrize("name", ["skopeo", "crane"])
def test_pull_gets_blobs_from_nginx(
    name: str, place: Place, env: dict[str, str], tmp_path: Path
) -> None:
    pushed = make_image(tmp_path, "many")
    reference = f"{place.address}/{name}/image:1"
    COPIERS["skopeo"].push(pushed, reference, env)

    COPIERS[name].pull(reference, tmp_path / "pulled", env)

    assert pulled_digests(tmp_path / "pulled") >= pushed.manifests | pushed.blobs
    sizes = {
        f"sha256:{file.name}": file.stat().st_size
        for file in (pushed.folder / "blobs" / "sha256").iterdir()
    }
    large = {blob for blob in pushed.blobs if sizes[blob] >= SMALLEST}
    assert large
    until(lambda: all(place.sent_by_registry(blob) for blob in large), "lines are missing")
    for blob in pushed.blobs:
        sent = 0 if blob in large else sizes[blob]
        assert set(place.sent_by_registry(blob)) <= {(200, sent)}


def test_answer_is_that_of_the_registry(place: Place, digest: str) -> None:
    with Registry(place.server.url) as registry:
        streamed = registry.http.get(place.url(digest))
    handed = place.http.get(place.url(digest))

    assert streamed.content == handed.content == LARGE
    assert (streamed.status_code, handed.status_code) == (200, 200)
    assert {name: handed.headers.get(name) for name in KEPT} == {
        name: streamed.headers[name] for name in KEPT
    }
    assert "x-accel-redirect" not in handed.headers
    until(lambda: len(place.sent_by_registry(digest)) >= 2, "lines are missing")
    assert set(place.sent_by_registry(digest)) == {(200, 0), (200, len(LARGE))}


@pytest.mark.parametrize(
    ("wanted", "status", "start", "stop"),
    [
        ("bytes=10-19", 206, 10, 20),
        ("bytes=299999-", 206, 299_999, 300_000),
        ("bytes=-5", 206, 299_995, 300_000),
        ("bytes=0-999999", 206, 0, 300_000),
        ("bytes=300000-", 416, 0, 0),
    ],
)
def test_range_is_sent_by_nginx(
    place: Place, digest: str, wanted: str, status: int, start: int, stop: int
) -> None:
    answer = place.http.get(place.url(digest), headers={"Range": wanted})

    assert answer.status_code == status
    if status == 206:
        assert answer.content == LARGE[start:stop]
        assert answer.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{len(LARGE)}"
        assert answer.headers["Docker-Content-Digest"] == digest
        assert answer.headers["ETag"] == f'"{digest}"'
    else:
        assert answer.headers["Content-Range"] == f"bytes */{len(LARGE)}"


def test_ranges_come_in_parts(place: Place, digest: str) -> None:
    answer = place.http.get(place.url(digest), headers={"Range": "bytes=0-1,5-6"})

    assert answer.status_code == 206
    assert answer.headers["Content-Type"].startswith("multipart/byteranges")
    assert b"Content-Range: bytes 5-6/300000\r\n\r\n" + LARGE[5:7] in answer.content


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"If-Range": '"{digest}"', "Range": "bytes=0-0"}, 206),
        ({"If-Range": '"other"', "Range": "bytes=0-0"}, 200),
        ({"If-None-Match": '"{digest}"'}, 304),
        ({"If-None-Match": '"other"'}, 200),
        ({"If-Match": '"{digest}"'}, 200),
        ({"If-Match": '"other"'}, 412),
        ({"If-Unmodified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"}, 200),
    ],
)
def test_condition_has_the_same_answer(
    place: Place, digest: str, headers: dict[str, str], status: int
) -> None:
    given = {name: value.format(digest=digest) for name, value in headers.items()}

    with Registry(place.server.url) as registry:
        streamed = registry.http.get(place.url(digest), headers=given)
    handed = place.http.get(place.url(digest), headers=given)

    assert (streamed.status_code, handed.status_code) == (status, status)
    assert streamed.content == handed.content


def test_head_is_answered_by_the_registry(place: Place, digest: str) -> None:
    answer = place.http.head(place.url(digest))

    assert answer.status_code == 200
    assert answer.headers["Content-Length"] == str(len(LARGE))
    assert answer.headers["Docker-Content-Digest"] == digest


def test_blob_that_is_not_there_is_unknown(place: Place, digest: str) -> None:
    answers = [
        place.http.get("/v2/other/repository/blobs/" + digest),
        place.http.get(place.url("sha256:" + 64 * "0")),
    ]

    assert [answer.status_code for answer in answers] == [404, 404]
    assert [answer.json()["errors"][0]["code"] for answer in answers] == ["BLOB_UNKNOWN"] * 2


def test_nobody_reaches_the_files_past_the_registry(place: Place, digest: str) -> None:
    within = f"docker/registry/v2/blobs/sha256/{digest[7:9]}/{digest[7:]}/data"
    paths = [
        f"/entrepot-blobs/{within}",
        f"//entrepot-blobs/{within}",
        f"/%65ntrepot-blobs/{within}",
        f"/v2/../entrepot-blobs/{within}",
        f"/v2/%2e%2e/entrepot-blobs/{within}",
        f"/entrepot-blobs/../entrepot-blobs/{within}",
        "/entrepot-blobs/",
        "/entrepot-blobs",
    ]

    url = urlsplit(str(place.http.base_url))
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    for path in paths:
        connection = http.client.HTTPSConnection(str(url.hostname), url.port, context=trusting)
        connection.request("GET", path)  # as it is written, which other clients would mend
        answer = connection.getresponse()
        assert (answer.status, LARGE[:20] in answer.read()) == (404, False), path
        connection.close()


def test_client_cannot_have_a_file_named(place: Place) -> None:
    headers = {"X-Accel-Redirect": "/entrepot-blobs/docker", "X-Sendfile": "/etc/passwd"}

    answer = place.http.get("/v2/", headers=headers)

    assert (answer.status_code, answer.content) == (200, b"{}")
