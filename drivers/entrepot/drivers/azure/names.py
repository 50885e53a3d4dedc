"""Keys and the names that blobs have for them."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

LEGACY = "/"
"""The root of what Distribution 2.x wrote: it put a slash before every name."""


@dataclass(frozen=True, slots=True)
class Names:
    """A container's URL, and what all names in it begin with."""

    url: str  # of the container
    root: str  # "", "/" or "folder/"

    def blob(self, key: str) -> str:
        return self.root + key

    def key(self, blob: str) -> str:
        return blob.removeprefix(self.root)

    def blob_url(self, key: str) -> str:
        return f"{self.url}/{quote(self.blob(key), safe='/~')}"


def root_of(rootdirectory: str) -> str:
    """What Distribution 3.x puts before a key: no slash in front, one behind."""
    folder = rootdirectory.strip("/")
    return f"{folder}/" if folder else ""
