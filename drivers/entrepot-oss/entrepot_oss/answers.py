"""What OSS answers in XML, and what it is asked in XML."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from urllib.parse import unquote
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from entrepot.core import Entry, Prefix
from entrepot_oss.errors import Refused, refusal


@dataclass(frozen=True, slots=True)
class Page:
    """Some of a listing in the order of the names, folders among the objects."""

    items: list[Entry | Prefix]
    token: str  # where it goes on; empty at the end


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a multipart upload, as OSS took it."""

    number: int  # from 1
    etag: str
    size: int  # bytes


def parsed(body: bytes) -> ET.Element:
    """An answer's root. Raises Refused: if it is no XML, or an error behind a 200."""
    try:
        root = ET.fromstring(body)  # noqa: S314 - expat itself limits what it expands
    except ET.ParseError as error:
        raise Refused(0, message="the answer of OSS is no XML") from error
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    if root.tag == "Error":
        raise refusal(500, {}, body)
    return root


def text_of(root: ET.Element, name: str) -> str:
    return root.findtext(name) or ""


def page_of(body: bytes) -> Page:
    root = parsed(body)
    plain = unquoted(root)
    items: list[Entry | Prefix] = [
        Entry(
            plain(one, "Key"), int(text_of(one, "Size") or 0), stamp(text_of(one, "LastModified"))
        )
        for one in root.findall("Contents")
    ]
    prefixes = [Prefix(plain(one, "Prefix")) for one in root.findall("CommonPrefixes")]
    if prefixes:
        items = sorted([*items, *prefixes], key=lambda item: item.key)
    truncated = text_of(root, "IsTruncated") == "true"
    return Page(items, plain(root, "NextContinuationToken") if truncated else "")


class unquoted:  # noqa: N801 - read as an adjective
    """Gives the texts of an answer whose names came as `encoding-type=url`."""

    def __init__(self, root: ET.Element) -> None:
        self._quoted = text_of(root, "EncodingType") == "url"

    def __call__(self, element: ET.Element, name: str) -> str:
        text = text_of(element, name)
        return unquote(text) if self._quoted else text


def parts_of(body: bytes) -> tuple[list[Part], str]:
    """A page of an upload's parts, and behind which number it goes on; empty at the end."""
    root = parsed(body)
    parts = [
        Part(int(text_of(one, "PartNumber")), text_of(one, "ETag"), int(text_of(one, "Size")))
        for one in root.findall("Part")
    ]
    truncated = text_of(root, "IsTruncated") == "true"
    return parts, text_of(root, "NextPartNumberMarker") if truncated else ""


def uploads_of(body: bytes) -> list[tuple[str, str]]:
    """Names and ids of multipart uploads."""
    root = parsed(body)
    plain = unquoted(root)
    return [(plain(one, "Key"), text_of(one, "UploadId")) for one in root.findall("Upload")]


def deleted_of(body: bytes) -> set[str]:
    """The names that a deletion of many says are gone."""
    root = parsed(body)
    plain = unquoted(root)
    return {plain(one, "Key") for one in root.findall("Deleted")}


def deletion(names: Iterable[str]) -> bytes:
    objects = "".join(f"<Object><Key>{escape(name)}</Key></Object>" for name in names)
    return f"<Delete><Quiet>false</Quiet>{objects}</Delete>".encode()


def completion(parts: Sequence[Part]) -> bytes:
    listed = "".join(
        f"<Part><PartNumber>{part.number}</PartNumber><ETag>{escape(part.etag)}</ETag></Part>"
        for part in parts
    )
    return f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>".encode()


def stamp(text: str) -> float:
    """Seconds since the epoch of a time as XML has it; now, if there is none."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return time.time()


def date(text: str) -> float:
    """Seconds since the epoch of a time as headers have it; now, if there is none."""
    try:
        return parsedate_to_datetime(text).timestamp()
    except ValueError:
        return time.time()
