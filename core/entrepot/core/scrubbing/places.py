"""What the keys inside a repository are for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from entrepot.core.errors import DigestInvalidError, TagInvalidError
from entrepot.core.names import Digest, Tag

FOLDERS = ("_layers", "_manifests", "_referrers")
"""A repository's folders whose every key is known; `_uploads` is the uploads' own."""

Purpose = Literal[
    "layer", "revision", "signature", "current", "history", "referrer", "temporary", "stray"
]


@dataclass(frozen=True, slots=True)
class Place:
    """What a key is for. `digest` is the one in it; of a referrer `subject` is the other one."""

    purpose: Purpose
    digest: Digest | None = None
    tag: Tag | None = None
    subject: Digest | None = None


def place_of(path: str) -> Place:
    """What a key is for, by its part behind the repository's prefix."""
    try:
        found = _known(path.split("/"))
    except (DigestInvalidError, TagInvalidError):
        found = None
    return found or Place("temporary" if path.endswith(".tmp") else "stray")


def _known(parts: list[str]) -> Place | None:
    found: Place | None = None
    match parts:
        case ["_layers", algorithm, encoded, "link"]:
            found = Place("layer", _digest(algorithm, encoded))
        case ["_manifests", "revisions", algorithm, encoded, "link"]:
            found = Place("revision", _digest(algorithm, encoded))
        case ["_manifests", "revisions", algorithm, encoded, "signatures", _, _, "link"]:
            found = Place("signature", _digest(algorithm, encoded))  # Distribution before 2.4
        case ["_manifests", "tags", tag, "current", "link"]:
            found = Place("current", tag=Tag.parse(tag))
        case ["_manifests", "tags", tag, "index", algorithm, encoded, "link"]:
            found = Place("history", _digest(algorithm, encoded), Tag.parse(tag))
        case ["_referrers", first, subject, second, encoded, "descriptor.json"]:
            found = Place("referrer", _digest(second, encoded), subject=_digest(first, subject))
        case _:
            pass
    return found


def _digest(algorithm: str, encoded: str) -> Digest:
    return Digest.parse(f"{algorithm}:{encoded}")
