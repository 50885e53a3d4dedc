"""Content that the scenarios push: small, and the same on every server."""

from __future__ import annotations

import json
from typing import Any

from tests.real.differential.playing import Play
from tests.real.registry import hexadecimal

__all__ = [
    "BLOB",
    "CONFIG",
    "DOCKER",
    "DOCKER_LIST",
    "INDEX",
    "OCI",
    "docker_list",
    "docker_manifest",
    "encoded",
    "index",
    "manifest",
    "push_blob",
    "push_manifest",
]

OCI = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
CONFIG = b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}'
BLOB = bytes(range(256)) * 4


def manifest(layer: bytes = BLOB, **more: Any) -> dict[str, Any]:
    """An OCI image of one layer."""
    return {
        "schemaVersion": 2,
        "mediaType": OCI,
        "config": _descriptor("application/vnd.oci.image.config.v1+json", CONFIG),
        "layers": [_descriptor("application/vnd.oci.image.layer.v1.tar", layer)],
        **more,
    }


def docker_manifest(layer: bytes = BLOB) -> dict[str, Any]:
    """A Docker image of one layer."""
    return {
        "schemaVersion": 2,
        "mediaType": DOCKER,
        "config": _descriptor("application/vnd.docker.container.image.v1+json", CONFIG),
        "layers": [_descriptor("application/vnd.docker.image.rootfs.diff.tar.gzip", layer)],
    }


def index(*manifests: bytes, media_type: str = OCI) -> dict[str, Any]:
    """An OCI index of these manifests."""
    return {
        "schemaVersion": 2,
        "mediaType": INDEX,
        "manifests": [
            {**_descriptor(media_type, one), "platform": {"architecture": "amd64", "os": "linux"}}
            for one in manifests
        ],
    }


def docker_list(*manifests: bytes) -> dict[str, Any]:
    """A Docker manifest list of these manifests."""
    return {**index(*manifests, media_type=DOCKER), "mediaType": DOCKER_LIST}


def encoded(value: object) -> bytes:
    """JSON without spaces."""
    return json.dumps(value, separators=(",", ":")).encode()


def _descriptor(media_type: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": hexadecimal(content), "size": len(content)}


def push_blob(play: Play, repository: str, content: bytes = BLOB) -> str:
    """Push a blob without a word; returns its digest."""
    begun = play("", "POST", play.under(f"{repository}/blobs/uploads/"), told=False)
    assert begun.status == 202, begun
    digest = hexadecimal(content)
    path = f"{begun.location}{'&' if '?' in begun.location else '?'}digest={digest}"
    done = play("", "PUT", path, body=content, told=False)
    assert done.status == 201, done
    return digest


def push_manifest(
    play: Play, repository: str, reference: str, value: object, media_type: str = OCI
) -> str:
    """Push a manifest and what an image needs without a word; returns its digest."""
    push_blob(play, repository, CONFIG)
    push_blob(play, repository)
    content = encoded(value)
    path = play.under(f"{repository}/manifests/{reference}")
    headers = [("Content-Type", media_type)]
    done = play("", "PUT", path, headers, content, told=False)
    assert done.status == 201, done
    return hexadecimal(content)
