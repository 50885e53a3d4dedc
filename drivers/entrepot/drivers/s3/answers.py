"""What S3 answers in XML, and what it is asked in XML."""

from __future__ import annotations

from calendar import timegm
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate
from time import time
from urllib.parse import unquote
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from entrepot.core import Entry, Prefix
from entrepot.drivers.s3.errors import Refused, refusal

_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


@dataclass(frozen=True, slots=True)
class Page:
    """Some of a listing, in the order in which the server gave it, merged."""

    items: list[Entry | Prefix]
    token: str  # where it goes on; empty at the end


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a multipart upload, as the server took it."""

    number: int  # from 1
    etag: str
    size: int  # bytes


def parsed(body: bytes) -> ET.Element:
    """An answer's root, its names without namespace.

    Raises Refused: if it is no XML, or an error that came after a status of success, as S3
    does it where an answer takes time.
    """
    try:
        root = ET.fromstring(body)  # noqa: S314 - expat itself limits what it expands
    except ET.ParseError as error:
        raise Refused(0, message="the answer is no XML") from error
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    if root.tag == "Error":
        refused = refusal(500, {}, body, head=False)
        refused.status = {"PreconditionFailed": 412, "NoSuchUpload": 404}.get(refused.code, 500)
        raise refused
    return root


def text_of(root: ET.Element, name: str) -> str:
    return root.findtext(name) or ""


def page_of(body: bytes) -> Page:
    root = parsed(body)
    encoded = text_of(root, "EncodingType") == "url"

    def key(element: ET.Element, name: str) -> str:
        text = text_of(element, name)
        return unquote(text) if encoded else text

    items: list[Entry | Prefix] = [
        Entry(key(one, "Key"), int(text_of(one, "Size") or 0), stamp(text_of(one, "LastModified")))
        for one in root.findall("Contents")
    ]
    prefixes = [Prefix(key(one, "Prefix")) for one in root.findall("CommonPrefixes")]
    if prefixes:
        items = sorted([*items, *prefixes], key=lambda item: item.key)
    truncated = text_of(root, "IsTruncated").lower() == "true"
    return Page(items, text_of(root, "NextContinuationToken") if truncated else "")


def stamp(text: str) -> float:
    """Seconds since the epoch of a time as XML has it; now, if there is none."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return time()


def date(text: str) -> float:
    """Seconds since the epoch of a time as headers have it; now, if there is none."""
    found = parsedate(text)
    return float(timegm(found)) if found else time()


def deletion(keys: Sequence[str]) -> bytes:
    objects = "".join([f"<Object><Key>{escape(key)}</Key></Object>" for key in keys])
    return f'<Delete xmlns="{_NAMESPACE}">{objects}<Quiet>true</Quiet></Delete>'.encode()


def failures_of(body: bytes) -> dict[str, Refused]:
    """What a bulk deletion could not delete, by key."""
    failures: dict[str, Refused] = {}
    for one in parsed(body).findall("Error"):
        code = text_of(one, "Code")
        status = {"AccessDenied": 403, "NoSuchKey": 404}.get(code, 500)
        failures[text_of(one, "Key")] = Refused(status, code, text_of(one, "Message"))
    return failures


def completion(parts: Sequence[Part]) -> bytes:
    listed = "".join(
        f"<Part><PartNumber>{part.number}</PartNumber><ETag>{escape(part.etag)}</ETag></Part>"
        for part in parts
    )
    return (
        f'<CompleteMultipartUpload xmlns="{_NAMESPACE}">{listed}</CompleteMultipartUpload>'
    ).encode()


def uploads_of(body: bytes) -> list[tuple[str, str]]:
    """Keys and ids of multipart uploads."""
    found = parsed(body).findall("Upload")
    return [(text_of(one, "Key"), text_of(one, "UploadId")) for one in found]
