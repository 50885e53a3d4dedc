"""Manifests: what is read out of them, and which are refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from entrepot.core import manifest
from entrepot.core.errors import ManifestInvalidError
from entrepot.core.names import Digest

HEX = "a" * 64
CONFIG = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": f"sha256:{HEX}",
          "size": 2}  # fmt: skip
IMAGE: dict[str, Any] = {"schemaVersion": 2, "config": CONFIG, "layers": [CONFIG]}
NOTHING: list[Any] = []
INDEX: dict[str, Any] = {"schemaVersion": 2, "manifests": [CONFIG]}

TYPES: list[tuple[Any, str | None, str]] = [
    (IMAGE, None, manifest.OCI_MANIFEST),
    (IMAGE, manifest.OCI_MANIFEST, manifest.OCI_MANIFEST),
    (INDEX, manifest.OCI_INDEX, manifest.OCI_INDEX),
    (INDEX, None, manifest.OCI_INDEX),
    (IMAGE | {"mediaType": manifest.DOCKER_MANIFEST}, None, manifest.DOCKER_MANIFEST),
    (INDEX | {"mediaType": manifest.DOCKER_LIST}, None, manifest.DOCKER_LIST),
    (INDEX | {"manifests": NOTHING}, manifest.OCI_INDEX, manifest.OCI_INDEX),
]
REFUSED: list[tuple[Any, str | None]] = [
    ([], None),
    ("text", None),
    ({}, None),
    (IMAGE | {"schemaVersion": 1}, None),
    (IMAGE | {"schemaVersion": "two"}, None),
    (IMAGE, manifest.OCI_INDEX),
    (IMAGE, manifest.DOCKER_MANIFEST),
    (IMAGE | {"mediaType": "text/plain"}, None),
    (IMAGE | {"manifests": NOTHING}, manifest.OCI_MANIFEST),
    (INDEX | {"layers": NOTHING}, manifest.OCI_INDEX),
    (INDEX | {"config": CONFIG}, manifest.OCI_INDEX),
    ({"schemaVersion": 2, "layers": NOTHING}, None),
    (IMAGE | {"config": CONFIG | {"digest": "sha256:short"}}, None),
    (IMAGE | {"layers": [CONFIG | {"size": -1}]}, None),
    (IMAGE | {"subject": {"digest": "x"}}, None),
    (IMAGE | {"annotations": {"a": 1}}, None),
]


def parse(document: Any, media_type: str | None = None) -> manifest.Manifest:
    content = json.dumps(document).encode()
    return manifest.parse(content, media_type, Digest.of(content))


@pytest.mark.parametrize(("document", "media_type", "want"), TYPES)
def test_media_type_found(document: Any, media_type: str | None, want: str) -> None:
    assert parse(document, media_type).media_type == want


@pytest.mark.parametrize(("document", "media_type"), REFUSED)
def test_manifest_refused(document: Any, media_type: str | None) -> None:
    with pytest.raises(ManifestInvalidError):
        parse(document, media_type)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"null"])
def test_content_that_is_no_json_document_is_refused(content: bytes) -> None:
    digest = Digest.of(content)

    with pytest.raises(ManifestInvalidError):
        manifest.parse(content, None, digest)
    with pytest.raises(ManifestInvalidError):
        manifest.read(content, digest)


def test_mistakes_are_named_with_their_place() -> None:
    with pytest.raises(ManifestInvalidError) as caught:
        parse(IMAGE | {"layers": [CONFIG, {"size": "x"}]})

    assert any(text.startswith("layers.1.mediaType") for text in caught.value.detail)


def test_artifact_type_is_the_configs_without_one_of_its_own() -> None:
    assert parse(IMAGE).artifact_type == CONFIG["mediaType"]
    assert parse(IMAGE | {"artifactType": "a/b"}).artifact_type == "a/b"
    assert parse(INDEX).artifact_type is None


@pytest.mark.parametrize(
    ("document", "want"),
    [
        ({"schemaVersion": 1, "signatures": []}, manifest.DOCKER_SCHEMA1_SIGNED),
        ({"schemaVersion": 1}, manifest.DOCKER_SCHEMA1),
        ({"mediaType": "application/vnd.oci.artifact.manifest.v1+json"},
         "application/vnd.oci.artifact.manifest.v1+json"),
    ],
)  # fmt: skip
def test_stored_manifest_of_an_older_form_is_served_under_its_type(
    document: Any, want: str
) -> None:
    content = json.dumps(document).encode()

    assert manifest.read(content, Digest.of(content)).media_type == want
