"""Blobs over HTTP: whole, in ranges, conditional, in every algorithm."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient
from tests.server.conftest import Pusher, sha

CONTENT = bytes(range(256)) * 8


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
def test_blob_is_served_under_the_digest_it_was_pushed_with(
    client: TestClient, push: Pusher, algorithm: str
) -> None:
    digest = push.blob("a/b", CONTENT, algorithm)

    response = client.get(f"/v2/a/b/blobs/{digest}")

    assert response.content == CONTENT
    assert response.headers["docker-content-digest"] == digest
    assert response.headers["etag"] == f'"{digest}"'
    assert response.headers["accept-ranges"] == "bytes"
    assert response.headers["content-type"] == "application/octet-stream"


def test_head_tells_the_size_without_a_body(client: TestClient, push: Pusher) -> None:
    response = client.head(f"/v2/a/blobs/{push.blob('a', CONTENT)}")

    assert response.headers["content-length"] == str(len(CONTENT))
    assert response.content == b""


def test_blob_of_one_repository_is_unknown_in_another(client: TestClient, push: Pusher) -> None:
    digest = push.blob("a", CONTENT)

    assert client.get(f"/v2/b/blobs/{digest}").status_code == 404


@pytest.mark.parametrize(
    ("header", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=500-1499", 500, 1500),
        ("bytes=500-", 500, 2048),
        ("bytes=-500", 1548, 2048),
        ("bytes=-5000", 0, 2048),
        ("bytes=2000-5000", 2000, 2048),
        ("bytes=5000-6000,10-19", 10, 20),
        ("Bytes = 1-2", 1, 3),
    ],
)
def test_range_gives_that_part(
    client: TestClient, push: Pusher, header: str, start: int, stop: int
) -> None:
    digest = push.blob("a", CONTENT)

    response = client.get(f"/v2/a/blobs/{digest}", headers={"Range": header})

    assert response.status_code == 206
    assert response.content == CONTENT[start:stop]
    assert response.headers["content-range"] == f"bytes {start}-{stop - 1}/2048"


@pytest.mark.parametrize(
    "header", ["bytes=500-0", "bytes=5000-10000", "bytes=-0", "bytes=x", "bytes=-", "bytes=1"]
)
def test_range_without_a_byte_in_it_is_refused(
    client: TestClient, push: Pusher, header: str
) -> None:
    response = client.get(f"/v2/a/blobs/{push.blob('a', CONTENT)}", headers={"Range": header})

    assert response.status_code == 416
    assert response.headers["content-range"] == "bytes */2048"


@pytest.mark.parametrize(
    "header",
    ["items=0-1", "bytes", "", "bytes=0-2000,0-2000", "bytes=" + "0-0," * 2000],
    ids=["unit", "no ranges", "empty", "longer than the whole", "too many"],
)
def test_range_that_is_not_honoured_gives_the_whole(
    client: TestClient, push: Pusher, header: str
) -> None:
    response = client.get(f"/v2/a/blobs/{push.blob('a', CONTENT)}", headers={"Range": header})

    assert response.status_code == 200
    assert response.content == CONTENT


def test_several_ranges_come_in_parts_in_their_order(client: TestClient, push: Pusher) -> None:
    digest = push.blob("a", CONTENT)

    response = client.get(f"/v2/a/blobs/{digest}", headers={"Range": "bytes=10-19,0-4"})

    assert response.status_code == 206
    kind, _, boundary = response.headers["content-type"].partition("; boundary=")
    assert kind == "multipart/byteranges"
    assert len(response.content) == int(response.headers["content-length"])
    parts = response.content.split(f"\r\n--{boundary}".encode())
    assert [part.partition(b"\r\n\r\n")[2] for part in parts[1:3]] == [
        CONTENT[10:20],
        CONTENT[0:5],
    ]
    assert b"Content-Range: bytes 10-19/2048\r\n" in parts[1]
    assert parts[3] == b"--\r\n"


@pytest.mark.parametrize("form", ['"{}"', "{}", 'W/"{}"', '"x", "{}"', "*"])
def test_known_blob_is_not_sent_again(client: TestClient, push: Pusher, form: str) -> None:
    digest = push.blob("a", CONTENT)
    headers = {"If-None-Match": form.format(digest)}

    response = client.get(f"/v2/a/blobs/{digest}", headers=headers)

    assert response.status_code == 304
    assert response.content == b""


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("name", "form", "status"),
    [
        ("If-None-Match", '"{}"', 304),
        ("If-None-Match", '"sha256:0"', 200),
        ("If-Match", '"{}"', 200),
        ("If-Match", '"a", "{}"', 200),
        ("If-Match", "*", 200),
        ("If-Match", '"sha256:0"', 412),
        ("If-Match", 'W/"{}"', 412),
    ],
)
def test_conditions_hold_for_both_methods(
    client: TestClient, push: Pusher, method: str, name: str, form: str, status: int
) -> None:
    digest = push.blob("a", CONTENT)

    response = client.request(method, f"/v2/a/blobs/{digest}", headers={name: form.format(digest)})

    assert response.status_code == status
    assert bool(response.content) == (status == 200 and method == "GET")
    assert response.headers["docker-content-digest"] == digest


def test_if_range_of_another_version_gives_the_whole(client: TestClient, push: Pusher) -> None:
    digest = push.blob("a", CONTENT)
    url = f"/v2/a/blobs/{digest}"

    stale = client.get(url, headers={"Range": "bytes=0-1", "If-Range": '"other"'})
    valid = client.get(url, headers={"Range": "bytes=0-1", "If-Range": f'"{digest}"'})

    assert (stale.status_code, valid.status_code) == (200, 206)


def test_deleted_blob_is_gone_from_its_repository_alone(client: TestClient, push: Pusher) -> None:
    digest = push.blob("a", CONTENT)
    push.blob("b", CONTENT)
    client.get(f"/v2/a/blobs/{digest}")

    assert client.delete(f"/v2/a/blobs/{digest}").status_code == 202

    assert client.get(f"/v2/a/blobs/{digest}").status_code == 404
    assert client.get(f"/v2/b/blobs/{digest}").status_code == 200
    assert client.delete(f"/v2/a/blobs/{digest}").status_code == 404


def test_large_blob_is_streamed(client: TestClient, push: Pusher) -> None:
    content = CONTENT * 2048
    digest = push.blob("a", content)

    assert client.get(f"/v2/a/blobs/{digest}").content == content
    part = client.get(f"/v2/a/blobs/{digest}", headers={"Range": "bytes=1000000-"})
    assert part.content == content[1000000:]
    assert digest == sha(content)
