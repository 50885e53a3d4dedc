"""Uploads that outlive their token, and mounts of what a client may not read."""

from __future__ import annotations

import time

import pytest
from starlette.testclient import TestClient
from tests.server.authentication.conftest import Guarded
from tests.server.authentication.recording import Recorder, challenge

from entrepot.server.authentication import gate

UPLOAD = "/v2/a/b/blobs/uploads/3a3e3c83-8d1d-4f39-a3b1-d2b5a3d7f0c1"
PULL, PUSH = "repository:a/b:pull", "repository:a/b:push"


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


def test_upload_is_no_excuse_for_anything_else(client: TestClient, recorder: Recorder) -> None:
    id_ = begin(client).partition("?")[0].rpartition("/")[2]
    recorder.refuse(challenge(is_expired=True), None)

    assert client.get(f"/v2/a/b/manifests/{id_}").status_code == 401


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
