"""Manifests as documents: what they say, and whether they may say it.

Sources: image-spec 1.1 (manifest, index), Docker Image Manifest V2 Schema 2.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from entrepot.core.errors import DigestInvalidError, ManifestInvalidError
from entrepot.core.names import Digest

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+json"
DOCKER_SCHEMA1_SIGNED = "application/vnd.docker.distribution.manifest.v1+prettyjws"

IMAGES = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
INDEXES = frozenset({OCI_INDEX, DOCKER_LIST})
MEDIA_TYPES = IMAGES | INDEXES
"""The media types that may be pushed."""

LIMIT = 4 * 1024 * 1024
"""The largest manifest taken, in bytes, which is the specification's least."""

_ELSEWHERE = ("application/vnd.oci.image.layer.nondistributable.", "foreign.diff.tar")


class Descriptor(BaseModel):
    """What points to content. Source: image-spec 1.1, "Content Descriptors"."""

    model_config = ConfigDict(extra="allow", frozen=True)

    mediaType: str = Field(min_length=1)  # noqa: N815 - the specification's name
    digest: str
    size: int = Field(ge=0)
    urls: list[str] | None = None
    annotations: dict[str, str] | None = None

    @property
    def elsewhere(self) -> bool:
        """Whether the content need not be in this registry: a non-distributable layer."""
        return self.mediaType.startswith(_ELSEWHERE[0]) or _ELSEWHERE[1] in self.mediaType

    @property
    def platform(self) -> tuple[str, str] | None:
        """Operating system and architecture that it says the content is for."""
        found = (self.model_extra or {}).get("platform")
        if not isinstance(found, dict):
            return None
        said: dict[str, Any] = found  # pyright: ignore[reportUnknownVariableType]
        return str(said.get("os", "")), str(said.get("architecture", ""))


class _Document(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)

    schemaVersion: int  # noqa: N815
    mediaType: str | None = None  # noqa: N815
    artifactType: str | None = None  # noqa: N815
    annotations: dict[str, str] | None = None
    subject: Descriptor | None = None
    config: Descriptor | None = None
    layers: list[Descriptor] | None = None
    manifests: list[Descriptor] | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest: its bytes as they were pushed, and what they say."""

    content: bytes
    digest: Digest
    media_type: str
    artifact_type: str | None = None
    annotations: dict[str, str] | None = None
    subject: Digest | None = None
    config_type: str | None = None  # the media type of an image's config
    blobs: tuple[Descriptor, ...] = ()
    manifests: tuple[Descriptor, ...] = ()

    def descriptor(self) -> dict[str, Any]:
        """As a referrers list shows it. Source: distribution-spec 1.1, "Listing Referrers"."""
        described: dict[str, Any] = {
            "mediaType": self.media_type,
            "digest": str(self.digest),
            "size": len(self.content),
        }
        if self.artifact_type:
            described["artifactType"] = self.artifact_type
        if self.annotations:
            described["annotations"] = self.annotations
        return described


def parse(content: bytes, media_type: str | None, digest: Digest) -> Manifest:
    """A manifest as it is pushed, with `media_type` from the request if it has one.

    Raises ManifestInvalidError: naming every place that is wrong.
    """
    try:
        document = _Document.model_validate_json(content)
    except ValidationError as error:
        raise ManifestInvalidError("manifest invalid", detail=_mistakes(error)) from None
    if document.schemaVersion != 2:
        raise ManifestInvalidError(
            f"unsupported schemaVersion {document.schemaVersion}: only 2 can be pushed"
        )
    kind = _media_type(document, media_type)
    _check_form(document, kind)
    return Manifest(
        content=content,
        digest=digest,
        media_type=kind,
        artifact_type=document.artifactType or _config_type(document),
        annotations=document.annotations,
        subject=_digest(document.subject) if document.subject else None,
        config_type=_config_type(document),
        blobs=_checked([*([document.config] if document.config else []), *(document.layers or [])]),
        manifests=_checked(document.manifests or []),
    )


def read(content: bytes, digest: Digest) -> Manifest:
    """A manifest as it lies on the store, whatever wrote it; never refused if it is JSON.

    Raises ManifestInvalidError: if the content is no manifest at all.
    """
    try:
        return parse(content, None, digest)
    except ManifestInvalidError:
        return Manifest(content, digest, _stored_media_type(content))


def _stored_media_type(content: bytes) -> str:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise ManifestInvalidError("stored content is no manifest")
    found: dict[str, Any] = document  # pyright: ignore[reportUnknownVariableType]
    if found.get("schemaVersion") == 1:
        return DOCKER_SCHEMA1_SIGNED if "signatures" in found else DOCKER_SCHEMA1
    declared = found.get("mediaType")
    if isinstance(declared, str):
        return declared
    return OCI_INDEX if "manifests" in found else OCI_MANIFEST


def _media_type(document: _Document, requested: str | None) -> str:
    declared = document.mediaType or (OCI_INDEX if document.manifests is not None else OCI_MANIFEST)
    if document.mediaType is None and requested in {DOCKER_MANIFEST, DOCKER_LIST}:
        raise ManifestInvalidError(f"a manifest of type {requested} must have that mediaType in it")
    if requested is not None and requested != declared:
        raise ManifestInvalidError(
            f"Content-Type {requested[:200]!r} does not fit the manifest's {declared[:200]!r}"
        )
    if declared not in MEDIA_TYPES:
        raise ManifestInvalidError(
            f"unsupported manifest media type {declared[:200]!r}",
            detail={"supported": sorted(MEDIA_TYPES)},
        )
    return declared


def _check_form(document: _Document, kind: str) -> None:
    """Content that two clients may read as two different things is refused.

    Source: image-spec security advisory GHSA-77vh-xpmg-72qh.
    """
    if kind in INDEXES:
        if document.manifests is None:
            raise ManifestInvalidError("an index must have `manifests`")
        if document.config is not None or document.layers is not None:
            raise ManifestInvalidError("an index must not have `config` or `layers`")
    elif document.config is None:
        raise ManifestInvalidError("an image manifest must have a `config`")
    elif document.manifests is not None:
        raise ManifestInvalidError("an image manifest must not have `manifests`")


def _config_type(document: _Document) -> str | None:
    return document.config.mediaType if document.config else None


def _checked(descriptors: list[Descriptor]) -> tuple[Descriptor, ...]:
    for descriptor in descriptors:
        _digest(descriptor)
    return tuple(descriptors)


def _digest(descriptor: Descriptor) -> Digest:
    try:
        return Digest.parse(descriptor.digest)
    except DigestInvalidError as error:
        raise ManifestInvalidError(f"manifest invalid: {error.message}") from None


def _mistakes(error: ValidationError) -> list[str]:
    return [
        f"{'.'.join(str(part) for part in mistake['loc']) or 'manifest'}: {mistake['msg']}"
        for mistake in error.errors(include_url=False, include_context=False, include_input=False)
    ][:10]
