"""Bad input: each case has the specification's status and code, and changes nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.server.conftest import Pusher, client_of

HEX = "a" * 64
UPLOAD = "00000000-0000-4000-8000-000000000000"
OCI = {"Content-Type": "application/vnd.oci.image.manifest.v1+json"}


@dataclass(frozen=True)
class Case:
    method: str
    path: str
    status: int
    code: str
    content: bytes = b""
    headers: dict[str, str] = field(default_factory=dict[str, str])


CASES = [
    Case("GET", "/v3/", 404, "UNSUPPORTED"),
    Case("GET", "/v2/x/y", 404, "UNSUPPORTED"),
    Case("GET", "/v1/_ping", 404, "UNSUPPORTED"),
    Case("POST", "/v2/_catalog", 405, "UNSUPPORTED"),
    Case("POST", "/v2/a/tags/list", 405, "UNSUPPORTED"),
    Case("GET", "/v2/a/tags/list", 404, "NAME_UNKNOWN"),
    Case("GET", "/v2/A/tags/list", 400, "NAME_INVALID"),
    Case("GET", f"/v2/{'x' * 256}/tags/list", 400, "NAME_INVALID"),
    Case("GET", "/v2/a/%2E%2E/b/tags/list", 400, "NAME_INVALID"),
    Case("GET", "/v2/a//b/tags/list", 400, "NAME_INVALID"),
    Case("GET", "/v2/a%00b/tags/list", 400, "NAME_INVALID"),
    Case("GET", "/v2/%C3%A4/tags/list", 400, "NAME_INVALID"),
    Case("GET", "/v2/a/tags/list?n=x", 400, "PAGINATION_NUMBER_INVALID"),
    Case("GET", "/v2/a/tags/list?n=-1", 400, "PAGINATION_NUMBER_INVALID"),
    Case("GET", "/v2/a/tags/list?n=1&n=2", 400, "UNSUPPORTED"),
    Case("GET", "/v2/_catalog?n=1001", 400, "PAGINATION_NUMBER_INVALID"),
    Case("GET", "/v2/_catalog?last=%C3%A4", 400, "NAME_INVALID"),
    Case("GET", "/v2/_catalog?last=a/_layers", 400, "NAME_INVALID"),
    Case("GET", "/v2/a/manifests/x", 404, "MANIFEST_UNKNOWN"),
    Case("GET", f"/v2/a/manifests/sha256:{HEX}", 404, "MANIFEST_UNKNOWN"),
    Case("GET", "/v2/a/manifests/sha256:abc", 400, "DIGEST_INVALID"),
    Case("GET", f"/v2/a/manifests/md5:{HEX[:32]}", 400, "DIGEST_INVALID"),
    Case("GET", "/v2/a/manifests/.x", 400, "TAG_INVALID"),
    Case("GET", f"/v2/a/manifests/{'t' * 129}", 400, "TAG_INVALID"),
    Case("PUT", "/v2/a/manifests/x", 400, "MANIFEST_INVALID", b"{", OCI),
    Case("PUT", "/v2/a/manifests/x", 400, "MANIFEST_INVALID", b"", OCI),
    Case("PUT", "/v2/a/manifests/x", 413, "MANIFEST_INVALID", b" " * (4 * 1024 * 1024 + 1), OCI),
    Case("PUT", f"/v2/a/manifests/sha256:{HEX}", 400, "DIGEST_INVALID", b"{}", OCI),
    Case("PUT", "/v2/a/manifests/x?tag=y", 400, "UNSUPPORTED", b"{}", OCI),
    Case("PUT", f"/v2/a/manifests/sha256:{HEX}?{'&tag=t' * 33}", 414, "TAG_INVALID", b"{}", OCI),
    Case("DELETE", "/v2/a/manifests/x", 404, "MANIFEST_UNKNOWN"),
    Case("DELETE", f"/v2/a/manifests/sha256:{HEX}", 404, "MANIFEST_UNKNOWN"),
    Case("GET", f"/v2/a/blobs/sha256:{HEX}", 404, "BLOB_UNKNOWN"),
    Case("GET", "/v2/a/blobs/sha256:abc", 400, "DIGEST_INVALID"),
    Case("DELETE", f"/v2/a/blobs/sha256:{HEX}", 404, "BLOB_UNKNOWN"),
    Case("POST", "/v2/a/blobs/uploads/?digest=x", 400, "DIGEST_INVALID"),
    Case("POST", f"/v2/a/blobs/uploads/?digest=sha256:{HEX}", 400, "DIGEST_INVALID", b"other"),
    Case("POST", "/v2/a/blobs/uploads/?mount=x", 400, "DIGEST_INVALID"),
    Case("POST", f"/v2/a/blobs/uploads/?mount=sha256:{HEX}&from=A", 400, "NAME_INVALID"),
    Case("POST", "/v2/a/blobs/uploads/?digest-algorithm=md5", 400, "DIGEST_INVALID"),
    Case("GET", "/v2/a/blobs/uploads/", 405, "UNSUPPORTED"),
    Case("GET", f"/v2/a/blobs/uploads/{UPLOAD}", 404, "BLOB_UPLOAD_UNKNOWN"),
    Case("PATCH", f"/v2/a/blobs/uploads/{UPLOAD}", 404, "BLOB_UPLOAD_UNKNOWN", b"x"),
    Case("PUT", f"/v2/a/blobs/uploads/{UPLOAD}", 400, "DIGEST_INVALID"),
    Case("PUT", f"/v2/a/blobs/uploads/x?digest=sha256:{HEX}", 404, "BLOB_UPLOAD_UNKNOWN"),
    Case("DELETE", f"/v2/a/blobs/uploads/{UPLOAD}", 404, "BLOB_UPLOAD_UNKNOWN"),
    Case("GET", "/v2/a/referrers/x", 400, "DIGEST_INVALID"),
    Case("GET", f"/v2/a/referrers/sha256:{HEX}?last=x", 400, "DIGEST_INVALID"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.method} {case.path[:60]}")
def test_bad_request_is_answered_by_the_specification(client: TestClient, case: Case) -> None:
    response = client.request(case.method, case.path, content=case.content, headers=case.headers)

    assert response.status_code == case.status
    assert response.headers["docker-distribution-api-version"] == "registry/2.0"
    assert response.headers["content-type"] == "application/json"
    errors: list[dict[str, Any]] = response.json()["errors"]
    assert errors[0]["code"] == case.code
    assert errors[0]["message"]
    assert client.get("/v2/_catalog").json() == {"repositories": []}


def test_method_that_an_endpoint_lacks_is_answered_with_those_it_has(client: TestClient) -> None:
    response = client.post("/v2/a/manifests/x")

    assert response.headers["allow"] == "DELETE, GET, HEAD, PUT"


@pytest.mark.parametrize("path", ["/v2/", "/v2"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_base_says_that_this_is_a_registry(client: TestClient, method: str, path: str) -> None:
    response = client.request(method, path)

    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.headers["content-length"] == "2"


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/v2/", "DELETE, GET, HEAD, PATCH, POST, PUT"),
        ("/v2/_catalog", "GET"),
        ("/v2/a/manifests/1", "DELETE, GET, HEAD, PUT"),
    ],
)
def test_options_are_told_as_browsers_ask_for_them(
    client: TestClient, path: str, allowed: str
) -> None:
    response = client.options(path)

    assert response.status_code == 200
    assert response.headers["allow"] == allowed
    assert response.content == b""


def test_page_of_the_catalogue_is_no_longer_than_the_longest() -> None:
    with client_of(CATALOG_MAXENTRIES="1") as client:
        for name in ("a", "b"):
            Pusher(client).image(name, "1")

        answer = client.get("/v2/_catalog")

    assert answer.json() == {"repositories": ["a"]}
    assert answer.headers["link"] == '</v2/_catalog?last=a&n=1>; rel="next"'


@pytest.mark.parametrize("path", ["/v2/_catalog?n=", "/v2/_catalog?n=&last="])
def test_number_left_empty_is_none(client: TestClient, path: str) -> None:
    assert client.get(path).json() == {"repositories": []}


def test_root_answers_for_liveness(client: TestClient) -> None:
    assert client.get("/").status_code == 200


def test_absent_blobs_of_a_manifest_are_named_one_by_one(client: TestClient) -> None:
    blobs = [{"mediaType": "x/y", "size": 1, "digest": f"sha256:{c * 64}"} for c in "ab"]
    document = {"schemaVersion": 2, "config": blobs[0], "layers": [blobs[1]]}

    response = client.put("/v2/a/manifests/x", content=json.dumps(document), headers=OCI)

    assert response.status_code == 400
    found = [(error["code"], error["detail"]) for error in response.json()["errors"]]
    assert found == [("MANIFEST_BLOB_UNKNOWN", blob["digest"]) for blob in blobs]
