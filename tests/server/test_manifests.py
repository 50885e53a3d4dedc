"""Manifests, tags, referrers and lists over HTTP."""

from __future__ import annotations

import json
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.server.conftest import MANIFEST_TYPE, Pusher, client_of, sha

INDEX_TYPE = "application/vnd.oci.image.index.v1+json"


@pytest.mark.parametrize("accept", [None, "*/*", "text/html", MANIFEST_TYPE])
def test_manifest_is_served_as_it_was_pushed_whatever_is_accepted(
    client: TestClient, push: Pusher, accept: str | None
) -> None:
    digest, content = push.image("a", "latest")
    headers = {} if accept is None else {"Accept": accept}

    for reference in ("latest", digest):
        response = client.get(f"/v2/a/manifests/{reference}", headers=headers)
        assert response.content == content
        assert response.headers["content-type"] == MANIFEST_TYPE
        assert response.headers["docker-content-digest"] == digest


def test_head_of_a_manifest_tells_its_length(client: TestClient, push: Pusher) -> None:
    digest, content = push.image("a", "latest")

    response = client.head("/v2/a/manifests/latest")

    assert response.headers["content-length"] == str(len(content))
    assert response.headers["docker-content-digest"] == digest
    assert response.content == b""


def test_known_manifest_is_not_sent_again(client: TestClient, push: Pusher) -> None:
    digest, _ = push.image("a", "latest")

    response = client.get("/v2/a/manifests/latest", headers={"If-None-Match": f'"{digest}"'})

    assert response.status_code == 304


def test_pushed_tag_points_to_the_newest_manifest(client: TestClient, push: Pusher) -> None:
    push.image("a", "latest")
    second, _ = push.image("a", "latest", annotations={"n": "2"})

    assert client.head("/v2/a/manifests/latest").headers["docker-content-digest"] == second


def test_manifest_by_sha512(client: TestClient, push: Pusher) -> None:
    _, content = push.image("a", "latest")
    digest = sha(content, "sha512")

    pushed = push.manifest("a", digest, content)

    assert pushed.status_code == 201
    response = client.get(f"/v2/a/manifests/{digest}")
    assert response.headers["docker-content-digest"] == digest
    assert response.content == content


def test_tags_given_with_a_digest(client: TestClient, push: Pusher) -> None:
    digest, content = push.image("a", "latest")

    pushed = push.manifest("a", f"{digest}?tag=x&tag=y", content)

    assert pushed.headers.get_list("oci-tag") == ["x", "y"]
    assert client.get("/v2/a/tags/list").json() == {"name": "a", "tags": ["latest", "x", "y"]}


def test_docker_manifest_without_its_media_type_is_refused(push: Pusher) -> None:
    _, content = push.image("a", "latest")
    media_type = "application/vnd.docker.distribution.manifest.v2+json"

    assert push.manifest("a", "x", content, media_type).status_code == 400


def test_deleted_tag_leaves_its_manifest(client: TestClient, push: Pusher) -> None:
    digest, _ = push.image("a", "one")
    push.image("a", "two")

    assert client.delete("/v2/a/manifests/one").status_code == 202

    assert client.get("/v2/a/manifests/one").status_code == 404
    assert client.get(f"/v2/a/manifests/{digest}").status_code == 200
    assert client.get("/v2/a/tags/list").json()["tags"] == ["two"]


def test_deleted_manifest_takes_its_tags_along(client: TestClient, push: Pusher) -> None:
    digest, _ = push.image("a", "one")
    push.image("a", "two")
    push.image("a", "other", annotations={"n": "2"})

    assert client.delete(f"/v2/a/manifests/{digest}").status_code == 202

    assert client.get(f"/v2/a/manifests/{digest}").status_code == 404
    assert client.get("/v2/a/tags/list").json()["tags"] == ["other"]


def test_deleting_is_off_by_default() -> None:
    with client_of(STORAGE_DELETE_ENABLED="false") as client:
        push = Pusher(client)
        digest, _ = push.image("a", "one")

        for path in (f"manifests/{digest}", "manifests/one", f"blobs/{sha(b'{}')}"):
            response = client.delete(f"/v2/a/{path}")
            assert response.status_code == 405
            assert response.json()["errors"][0]["code"] == "UNSUPPORTED"


def test_tags_in_pages(client: TestClient, push: Pusher) -> None:
    names = ["v1", "v1-a", "v1.0", "v10", "v2"]
    for name in reversed(names):
        push.image("a", name)

    found: list[str] = []
    url: str | None = "/v2/a/tags/list?n=2"
    while url:
        response = client.get(url)
        found += response.json()["tags"]
        url = response.links.get("next", {}).get("url")

    assert found == names
    assert client.get("/v2/a/tags/list?n=0").json()["tags"] == []
    assert "link" not in client.get("/v2/a/tags/list?n=5").headers
    assert client.get("/v2/a/tags/list?last=v1.0").json()["tags"] == ["v10", "v2"]


def test_repository_without_tags_has_an_empty_list(client: TestClient, push: Pusher) -> None:
    push.image("a", "one")
    client.delete("/v2/a/manifests/one")

    assert client.get("/v2/a/tags/list").json() == {"name": "a", "tags": []}


def test_catalogue_in_pages(client: TestClient, push: Pusher) -> None:
    names = ["a", "a/b", "a/b/c", "a-x", "b"]
    for name in names:
        push.image(name, "one")

    first = client.get("/v2/_catalog?n=3")

    assert first.json() == {"repositories": names[:3]}
    second = client.get(first.links["next"]["url"])
    assert second.json() == {"repositories": names[3:]}
    assert "link" not in second.headers


def referrer(push: Pusher, subject: str, kind: str) -> str:
    described = {"mediaType": MANIFEST_TYPE, "digest": subject, "size": 1}
    digest, _ = push.image(
        "a", f"ref-{kind.replace('/', '-')}", subject=described, artifactType=kind
    )
    return digest


def test_referrers_are_listed_filtered_and_removed(client: TestClient, push: Pusher) -> None:
    subject, _ = push.image("a", "latest")
    signature, sbom = referrer(push, subject, "x/signature"), referrer(push, subject, "x/sbom")

    listed = client.get(f"/v2/a/referrers/{subject}")
    assert listed.headers["content-type"] == INDEX_TYPE
    assert {d["digest"] for d in listed.json()["manifests"]} == {signature, sbom}

    filtered = client.get(f"/v2/a/referrers/{subject}", params={"artifactType": "x/sbom"})
    assert [d["digest"] for d in filtered.json()["manifests"]] == [sbom]
    assert filtered.headers["oci-filters-applied"] == "artifactType"

    client.delete(f"/v2/a/manifests/{sbom}")
    left = client.get(f"/v2/a/referrers/{subject}").json()["manifests"]
    assert [d["digest"] for d in left] == [signature]


def test_push_with_a_subject_says_so(client: TestClient, push: Pusher) -> None:
    subject = sha(b"not there")
    described: dict[str, Any] = {"mediaType": MANIFEST_TYPE, "digest": subject, "size": 1}
    digest, content = push.image("a", "x", subject=described)

    assert push.manifest("a", "x", content).headers["oci-subject"] == subject
    listed = client.get(f"/v2/a/referrers/{subject}").json()["manifests"]
    assert [d["digest"] for d in listed] == [digest]


def test_fallback_tag_is_merged_into_the_referrers(client: TestClient, push: Pusher) -> None:
    subject, _ = push.image("a", "latest")
    indexed = referrer(push, subject, "x/indexed")
    old, content = push.image("a", "old", annotations={"by": "an old client"})
    entries = [
        {"mediaType": MANIFEST_TYPE, "digest": digest, "size": len(content)}
        for digest in (old, indexed)
    ]
    index = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": entries}
    tag = subject.replace(":", "-")
    assert push.manifest("a", tag, json.dumps(index).encode(), INDEX_TYPE).status_code == 201

    listed = client.get(f"/v2/a/referrers/{subject}").json()["manifests"]

    assert [d["digest"] for d in listed] == sorted([old, indexed])


def test_nobody_refers_to_an_unknown_subject(client: TestClient) -> None:
    response = client.get(f"/v2/a/referrers/{sha(b'')}")

    assert response.status_code == 200
    assert response.json()["manifests"] == []
