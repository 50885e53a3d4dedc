"""Where objects are in the JSON API, and what it tells of one."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from entrepot.core import Entry
from entrepot.drivers.gcs.errors import TransientError

FIELDS = "name,size,generation,timeCreated,crc32c,metadata"


@dataclass(frozen=True, slots=True)
class Stored:
    """One version of an object, as the backend knows it."""

    entry: Entry
    generation: str
    crc32c: str  # empty if it was not told
    writer: str  # who created it; empty if nobody said

    @property
    def key(self) -> str:
        return self.entry.key

    @property
    def size(self) -> int:
        return self.entry.size


class Names:
    """Keys of the contract as paths and names of the API."""

    def __init__(self, bucket: str, root: str) -> None:
        self.bucket = bucket
        self.root = root
        self.objects = f"/storage/v1/b/{bucket}/o"
        self.upload = f"/upload/storage/v1/b/{bucket}/o"

    def name(self, key: str) -> str:
        return self.root + key

    def path(self, key: str) -> str:
        return f"{self.objects}/{quote(self.name(key), safe='')}"

    def key(self, name: str) -> str:
        return name[len(self.root) :]

    def stored(self, resource: Mapping[str, Any]) -> Stored:
        metadata: Any = resource.get("metadata") or {}
        try:
            key = self.key(str(resource["name"]))
            modified = datetime.fromisoformat(str(resource["timeCreated"])).timestamp()
            return Stored(
                Entry(key, int(resource["size"]), modified),
                str(resource["generation"]),
                str(resource.get("crc32c", "")),
                str(metadata.get(WRITER, "")),
            )
        except (LookupError, ValueError) as error:
            raise TransientError("", "the answer does not describe an object") from error


WRITER = "entrepot-writer"


def encoded(crc32c: int) -> str:
    """A checksum in the form of the API: base64 of four bytes, the most significant first."""
    return base64.b64encode(crc32c.to_bytes(4, "big")).decode()
