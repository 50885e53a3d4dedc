"""What makes a folder or a tar an image layout, and the part of an index that we read.

Source: image-spec 1.1, "OCI Image Layout Specification".
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, ValidationError

from entrepot.core.archiving.errors import ArchiveError
from entrepot.core.manifest import OCI_INDEX, Descriptor
from entrepot.core.names import Digest

MARK = "oci-layout"
INDEX = "index.json"
FILES = frozenset({MARK, INDEX})
BLOBS = "blobs"
DEEPEST = 50
"""How deep indexes and referrers may be nested; real ones are two or three deep."""
LONGEST = 256 * 1024 * 1024
"""The largest index that is read, in bytes: some half a million images."""

_MARK = json.dumps({"imageLayoutVersion": "1.0.0"}).encode()


class _Index(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    manifests: list[Descriptor]


class _Mark(BaseModel):
    imageLayoutVersion: str  # noqa: N815 - the specification's name


def mark() -> bytes:
    """The content of `oci-layout`."""
    return _MARK


def index_of(entries: Sequence[Descriptor]) -> bytes:
    """The content of `index.json`."""
    listed = [entry.model_dump(exclude_none=True) for entry in entries]
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": listed}
    return json.dumps(document, indent=1).encode()


def path_of(digest: Digest) -> str:
    """Where a layout has this content."""
    return f"{BLOBS}/{digest.algorithm}/{digest.hex}"


def check_mark(content: bytes, name: str) -> None:
    """Raises ArchiveError: if this `oci-layout` is none that we know."""
    try:
        version = _Mark.model_validate_json(content).imageLayoutVersion
    except ValidationError:
        version = "unknown"
    if not version.startswith("1."):
        raise ArchiveError(f"{name} is an image layout of version {version[:20]!r}, not 1")


def entries_of(content: bytes, name: str) -> list[Descriptor]:
    """What an `index.json` names. Raises ArchiveError: if it is none."""
    try:
        return _Index.model_validate_json(content).manifests
    except ValidationError as error:
        mistake = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in mistake["loc"])
        raise ArchiveError(f"{name}: {INDEX}: {place or 'document'}: {mistake['msg']}") from None
