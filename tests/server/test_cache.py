"""`storage.cache` seen by clients of two replicas over one store."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from tests.server.conftest import Pusher, client_of

LAYER = b"layer" * 100


@pytest.fixture
def replicas(tmp_path: Path) -> Generator[list[TestClient], None, None]:
    settings = {
        "STORAGE": "filesystem",
        "STORAGE_FILESYSTEM_ROOTDIRECTORY": str(tmp_path),
        "STORAGE_CACHE_BLOBDESCRIPTOR": "inmemory",
    }
    with client_of(**settings) as one, client_of(**settings) as other:
        yield [one, other]


def test_push_is_not_told_to_skip_what_another_replica_deleted(
    replicas: list[TestClient],
) -> None:
    one, other = replicas
    blob = f"/v2/a/blobs/{Pusher(one).blob('a', LAYER)}"
    manifest = f"/v2/a/manifests/{Pusher(one).image('a', '1')[0]}"
    for url in (blob, manifest):
        for _ in "ab":  # the second time from memory
            assert other.get(url).status_code == 200
        assert one.delete(url).status_code == 202

    for url in (blob, manifest):
        assert other.head(url).status_code == 404
        assert other.get(url).status_code == 404
        assert one.get(url).status_code == 404


def test_push_heals_a_blob_whose_bytes_were_lost(
    replicas: list[TestClient], tmp_path: Path
) -> None:
    one, other = replicas
    large = LAYER * 2000
    digest = Pusher(one).blob("a", large)
    url = f"/v2/a/blobs/{digest}"
    assert other.get(url).content == large
    [data] = tmp_path.glob(f"docker/registry/v2/blobs/sha256/*/{digest[7:]}/data")
    data.unlink()

    assert other.get(url).status_code == 404
    assert other.get(url, headers={"Range": "bytes=5-9"}).status_code == 404
    Pusher(one).blob("a", large)
    assert other.get(url).content == large
    assert other.get(url, headers={"Range": "bytes=5-9"}).content == b"layer"
