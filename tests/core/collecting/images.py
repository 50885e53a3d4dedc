"""Images that share layers, indexes over them and signatures, and what each of them needs."""

from __future__ import annotations

import json

from tests.core.stores import CONFIG, image, index

from entrepot.core import layout
from entrepot.core.manifest import OCI_MANIFEST
from entrepot.core.names import Digest, RepositoryName

NAMES = [RepositoryName("a"), RepositoryName("a/b")]
LAYERS = [b"1", b"2", b"3"]


def referring(subject: bytes, layer: bytes) -> bytes:
    described = {
        "mediaType": OCI_MANIFEST,
        "digest": str(Digest.of(subject)),
        "size": len(subject),
    }
    return image([layer], subject=described)


IMAGES = [image(LAYERS[:2]), image(LAYERS[1:]), image([LAYERS[0]])]
SIGNATURES = [referring(one, LAYERS[2]) for one in IMAGES[:2]]
INDEXES = [index(IMAGES[:2]), index([IMAGES[2]])]
MANIFESTS = [*IMAGES, *SIGNATURES, *INDEXES]
BY_DIGEST = {str(Digest.of(content)): content for content in MANIFESTS}


def children_of(content: bytes) -> list[bytes]:
    named = json.loads(content).get("manifests", [])
    return [BY_DIGEST[one["digest"]] for one in named]


def subject_of(content: bytes) -> list[bytes]:
    subject = json.loads(content).get("subject")
    return [BY_DIGEST[subject["digest"]]] if subject else []


def layers_of(content: bytes) -> list[bytes]:
    named = {one["digest"] for one in json.loads(content).get("layers", [])}
    return [layer for layer in LAYERS if str(Digest.of(layer)) in named]


def below(content: bytes) -> list[bytes]:
    """What has to be pushed before a manifest."""
    found: list[bytes] = []
    for child in children_of(content):
        found += [*below(child), child]
    return found or [CONFIG, *layers_of(content)]


def keys_of(name: RepositoryName, digest: str) -> list[str]:
    """What a pull of one manifest needs."""
    parsed = Digest.parse(digest)
    content = BY_DIGEST[digest]
    needed = [layout.revision_link(name, parsed), layout.blob(parsed)]
    if not children_of(content):
        for one in (CONFIG, *layers_of(content)):
            needed += [layout.layer_link(name, Digest.of(one)), layout.blob(Digest.of(one))]
    return needed
