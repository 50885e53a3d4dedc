"""Large objects: the static ones that are written here, and Distribution's dynamic ones."""

from __future__ import annotations

import binascii
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import unquote

import httpx2

from entrepot.core import UnavailableError


class SegmentsGoneError(UnavailableError):
    """A manifest was refused, because its segments are not there or not what they were."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a large object: its path below the account, its bytes, its ETag if known."""

    path: str
    size: int
    etag: str = ""


@dataclass(frozen=True, slots=True)
class Large:
    """What the headers of a large object tell; `dynamic` is `container/prefix` of its segments."""

    dynamic: str = ""

    @classmethod
    def of(cls, headers: httpx2.Headers) -> Large | None:
        """None for a plain object."""
        if "X-Object-Manifest" in headers:
            return cls(unquote(headers["X-Object-Manifest"]))
        if headers.get("X-Static-Large-Object", "").lower() == "true":
            return cls()
        return None

    def was_made_for(self, key: str) -> bool:
        """Whether its segments bear this very key in their name, as Distribution writes it.

        It puts a layer in its place by a second manifest over the same segments, and removes
        the upload's. If that was interrupted, the segments are the layer's as well.
        """
        name = self.dynamic.partition("/segments/")[2].replace("/", "", 1)
        try:
            return bytes.fromhex(name).startswith(b"/" + key.encode())
        except (ValueError, binascii.Error):
            return False


def manifest(segments: Sequence[Segment]) -> bytes:
    """The body that makes a static large object; Swift compares sizes and ETags."""
    return json.dumps(
        [
            {"path": each.path, "size_bytes": each.size, "etag": each.etag or None}
            for each in segments
        ]
    ).encode()


def listed(key: str, body: bytes) -> Iterator[tuple[Segment, bool]]:
    """The segments of a manifest, and of each whether it is a large object itself.

    Raises UnavailableError: if it has parts of segments or data in it, which nobody writes here.
    """
    for each in cast("list[dict[str, Any]]", json.loads(body)):
        if "name" not in each or "range" in each:
            raise UnavailableError(key, "a large object that another program made: copy it by hand")
        yield Segment(each["name"], each["bytes"], each["hash"]), bool(each.get("sub_slo"))
