"""What a stored manifest leads to, whatever wrote it.

A manifest of a known form names its content in known places. Of any other, every digest in its
text counts, so that nothing is lost for want of understanding.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from entrepot.core import layout
from entrepot.core.cache import ContentCache
from entrepot.core.collecting.spill import packed
from entrepot.core.driver import Driver
from entrepot.core.errors import NotFoundError
from entrepot.core.manifest import DOCKER_SCHEMA1, DOCKER_SCHEMA1_SIGNED, LIMIT, MEDIA_TYPES
from entrepot.core.names import ALGORITHMS, Digest
from entrepot.core.streams import beginning

_KNOWN = MEDIA_TYPES | {None}
_MANIFESTS = MEDIA_TYPES | {DOCKER_SCHEMA1, DOCKER_SCHEMA1_SIGNED}
_HEX = "|".join(f"{name}:[0-9a-f]{{{size}}}" for name, size in ALGORITHMS.items())
_DIGEST = re.compile(rf"(?<![0-9A-Za-z])(?:{_HEX})(?![0-9A-Za-z])", re.ASCII)
_FIELDS = frozenset({"config", "layers", "manifests"})
_BUDGET, _LARGEST = 4 * 1024 * 1024, 128 * 1024  # bytes of manifests that are remembered


class DamagedError(Exception):
    """A manifest's bytes are missing, or they are not what they were; the text says which."""


@dataclass(frozen=True, slots=True)
class References:
    """What a manifest names, as packed digests.

    `content` is all it needs; `children`, which are among it, are those that an index says
    are manifests of a known form. The subject is apart, because it may be missing.
    """

    content: tuple[bytes, ...]
    children: tuple[bytes, ...] = ()
    subject: bytes | None = None
    artifact_type: str = ""


class ManifestReader:
    """Reads manifests of a store; those that several repositories have are read once, mostly."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._read = ContentCache[References](_BUDGET, _LARGEST)

    async def references(self, digest: Digest) -> References:
        """What the manifest of this digest names.

        Raises DamagedError; StorageError: of any other kind than that it is missing.
        """
        key = str(digest)
        found = self._read.get(key)
        if found is None:
            try:
                content = await beginning(self._driver, layout.blob(digest), LIMIT + 1)
            except NotFoundError:
                raise DamagedError(f"the bytes of manifest {digest} are missing") from None
            found = references(content, digest)
            self._read.put(key, found, len(content))
        return found


def references(content: bytes, digest: Digest) -> References:
    """What a manifest names. Raises DamagedError: if it is none, or has another digest."""
    if len(content) > LIMIT:
        raise DamagedError(f"manifest {digest} is larger than {LIMIT} bytes")
    if Digest.of(content, digest.algorithm) != digest:
        raise DamagedError(f"the bytes of manifest {digest} have another digest")
    try:
        document = json.loads(content)
        if isinstance(document, dict):
            return _references(cast("dict[str, Any]", document))
    except (ValueError, RecursionError):
        pass
    raise DamagedError(f"{digest} is no manifest")


def _references(document: dict[str, Any]) -> References:
    subject = None
    try:
        if document.get("subject") is not None:
            subject = _packed(document["subject"]["digest"])
        content = tuple(_packed(each["digest"]) for each in _descriptors(document))
    except (ValueError, TypeError, KeyError, AttributeError):
        content = _mentioned(document)
    return References(content, _children(document), subject, _artifact_type(document))


def _descriptors(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What a manifest of a known form needs. Raises ValueError: if its form is unknown."""
    if document.get("schemaVersion") != 2 or document.get("mediaType") not in _KNOWN:
        raise ValueError("unknown form")
    if not _FIELDS.intersection(document):
        raise ValueError("unknown form")
    if document.get("config") is not None:
        yield document["config"]
    for field in ("layers", "manifests"):
        yield from document.get(field) or ()


def _packed(text: str) -> bytes:
    algorithm, _, hexadecimal = text.partition(":")
    if len(hexadecimal) != ALGORITHMS[algorithm]:
        raise ValueError(text)
    return packed(algorithm, hexadecimal)


def _mentioned(document: dict[str, Any]) -> tuple[bytes, ...]:
    """Every digest in the text; written anew, for its characters might have been escaped."""
    return tuple(_packed(text) for text in _DIGEST.findall(json.dumps(document)))


def _children(document: dict[str, Any]) -> tuple[bytes, ...]:
    """Manifests of an index. Some builders list the layers of a cache there; those are none."""
    found: list[bytes] = []
    listed = document.get("manifests")
    if not isinstance(listed, list):
        return ()
    entries: list[Any] = listed  # pyright: ignore[reportUnknownVariableType]
    for each in entries:
        try:
            if each["mediaType"] in _MANIFESTS:
                found.append(_packed(each["digest"]))
        except (ValueError, TypeError, KeyError, AttributeError):
            continue
    return tuple(found)


def _artifact_type(document: dict[str, Any]) -> str:
    """What the manifest says it is; else, what its config is."""
    config = document.get("config")
    said = document.get("artifactType")
    if not said and isinstance(config, dict):
        said = cast("dict[str, Any]", config).get("mediaType")
    return said if isinstance(said, str) else ""
