"""Uploads over HTTP: the four styles of real clients, order, retries, mounts."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient
from tests.server.conftest import Pusher, sha

START = "/v2/a/blobs/uploads/"
CONTENT = b"some content of a layer"


def start(client: TestClient, url: str = START) -> str:
    response = client.post(url)
    assert response.status_code == 202
    assert response.headers["range"] == "0-0"
    assert response.headers["docker-upload-uuid"] in response.headers["location"]
    return response.headers["location"]


def finish(location: str, digest: str) -> str:
    return f"{location}{'&' if '?' in location else '?'}digest={digest}"


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
@pytest.mark.parametrize("style", ["post", "put", "patch", "chunks", "last chunk in put"])
def test_upload_in_every_style(client: TestClient, style: str, algorithm: str) -> None:
    digest = sha(CONTENT, algorithm)

    if style == "post":
        response = client.post(f"{START}?digest={digest}", content=CONTENT)
    elif style == "put":
        response = client.put(finish(start(client), digest), content=CONTENT)
    else:
        cut = len(CONTENT) if style == "patch" else 7
        first = client.patch(start(client), content=CONTENT[:cut])
        assert first.status_code == 202
        assert first.headers["range"] == f"0-{cut - 1}"
        location, rest = first.headers["location"], CONTENT[cut:]
        if style == "chunks":
            headers = {"Content-Range": f"{cut}-{len(CONTENT) - 1}"}
            second = client.patch(location, content=rest, headers=headers)
            location, rest = second.headers["location"], b""
        response = client.put(finish(location, digest), content=rest)

    assert response.status_code == 201, response.text
    assert response.headers["docker-content-digest"] == digest
    assert client.get(response.headers["location"]).content == CONTENT


def test_announced_algorithm_travels_with_the_upload(client: TestClient) -> None:
    location = start(client, f"{START}?digest-algorithm=sha512")
    patched = client.patch(location, content=CONTENT)

    assert "digest-algorithm=sha512" in patched.headers["location"]
    done = client.put(finish(patched.headers["location"], sha(CONTENT, "sha512")))
    assert done.status_code == 201


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
@pytest.mark.parametrize("span", ["5-9", "0-4", "99999-100003"])
def test_chunk_out_of_order_is_refused_and_the_upload_goes_on(
    client: TestClient, method: str, span: str
) -> None:
    digest = sha(b"0123456789AB")
    location = client.patch(start(client), content=b"0123456789").headers["location"]

    target = finish(location, digest) if method == "PUT" else location
    refused = client.request(method, target, content=b"xxxxx", headers={"Content-Range": span})

    assert refused.status_code == 416
    assert refused.headers["range"] == "0-9"
    status = client.get(refused.headers["location"])
    assert (status.status_code, status.headers["range"]) == (204, "0-9")
    done = client.put(
        finish(status.headers["location"], digest),
        content=b"AB",
        headers={"Content-Range": "10-11"},
    )
    assert done.status_code == 201


def test_repeated_chunk_with_a_stale_location_is_refused(client: TestClient) -> None:
    location = start(client)
    client.patch(location, content=b"once")

    assert client.patch(location, content=b"once").status_code == 416


@pytest.mark.parametrize("header", ["bytes 0-1/*", "x", "5-1", "0-99", "0-1-2", "-1", "٣-٤"])
def test_content_range_that_does_not_fit_the_body(client: TestClient, header: str) -> None:
    response = client.patch(
        start(client), content=b"abc", headers={b"Content-Range": header.encode()}
    )

    assert response.status_code == 400
    assert response.json()["errors"][0]["code"] == "SIZE_INVALID"


def test_wrong_digest_leaves_no_blob_and_no_upload(client: TestClient) -> None:
    location = client.patch(start(client), content=CONTENT).headers["location"]
    wrong = sha(b"other")

    response = client.put(finish(location, wrong))

    assert response.status_code == 400
    assert response.json()["errors"][0]["code"] == "DIGEST_INVALID"
    assert client.get(location).status_code == 404
    assert client.head(f"/v2/a/blobs/{wrong}").status_code == 404
    assert client.head(f"/v2/a/blobs/{sha(CONTENT)}").status_code == 404


def test_cancelled_upload_is_gone(client: TestClient) -> None:
    location = client.patch(start(client), content=CONTENT).headers["location"]

    assert client.delete(location).status_code == 204

    assert client.get(location).status_code == 404
    assert client.delete(location).status_code == 404


def test_finished_upload_is_gone(client: TestClient) -> None:
    location = client.patch(start(client), content=CONTENT).headers["location"]
    client.put(finish(location, sha(CONTENT)))

    assert client.get(location).status_code == 404


def test_empty_blob(client: TestClient) -> None:
    digest = sha(b"")

    assert client.put(finish(start(client), digest)).status_code == 201
    assert client.get(f"/v2/a/blobs/{digest}").content == b""


def test_state_of_another_registry_is_passed_over(client: TestClient) -> None:
    location = start(client).replace("_state=0", "_state=eyJOYW1lIjoiYSJ9")

    assert client.patch(location, content=CONTENT).status_code == 202


def test_upload_is_unknown_in_another_repository(client: TestClient) -> None:
    location = start(client).replace("/v2/a/", "/v2/b/")

    assert client.patch(location, content=CONTENT).status_code == 404


def test_mount_from_a_repository(client: TestClient, push: Pusher) -> None:
    digest = push.blob("b/c", CONTENT)

    response = client.post(f"{START}?mount={digest}&from=b/c")

    assert response.status_code == 201
    assert client.get(f"/v2/a/blobs/{digest}").content == CONTENT


def test_mount_without_a_source(client: TestClient, push: Pusher) -> None:
    digest = push.blob("b", CONTENT)

    assert client.post(f"{START}?mount={digest}").status_code == 201


@pytest.mark.parametrize("query", ["", "&from=b"])
def test_mount_of_what_is_not_there_begins_an_upload(client: TestClient, query: str) -> None:
    response = client.post(f"{START}?mount={sha(CONTENT)}{query}")

    assert response.status_code == 202
    assert client.get(response.headers["location"]).status_code == 204
