"""What the fake S3 server answers, as XML."""

from __future__ import annotations

import time
from collections.abc import Mapping
from xml.etree import ElementTree as ET

from aiohttp import web

_PAGE = 1000


def times() -> float:
    return float(int(time.time()))


def tree_of(body: bytes) -> ET.Element:
    root = ET.fromstring(body)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root


def error(status: int, code: str) -> web.Response:
    text = f"<Error><Code>{code}</Code><Message>said by the fake</Message></Error>"
    return web.Response(status=status, text=text, content_type="application/xml")


def completed(name: str, **fields: str) -> web.Response:
    root = ET.Element(name, xmlns="http://s3.amazonaws.com/doc/2006-03-01/")
    for field, text in fields.items():
        ET.SubElement(root, field).text = text
    return web.Response(body=ET.tostring(root), content_type="application/xml")


def deleted() -> web.Response:
    return completed("DeleteResult")


def listed(
    objects: Mapping[str, int], query: Mapping[str, str], *, unordered: bool
) -> web.Response:
    """One page of a listing; `unordered` goes folder by folder, as SeaweedFS does."""
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    groups: dict[str, int | None] = {}
    for key, size in objects.items():
        if key.startswith(prefix) and key > query.get("start-after", ""):
            cut = key.find(delimiter, len(prefix)) if delimiter else -1
            groups[key if cut < 0 else key[: cut + 1]] = size if cut < 0 else None
    keys = sorted(groups, key=_by_folder if unordered else str)
    keys = keys[int(query.get("continuation-token", "0")) :]
    most = min(int(query.get("max-keys", _PAGE)), _PAGE)
    root = ET.Element("ListBucketResult")
    for key in keys[:most]:
        held = groups[key]
        element = ET.SubElement(root, "CommonPrefixes" if held is None else "Contents")
        ET.SubElement(element, "Prefix" if held is None else "Key").text = key
        if held is not None:
            ET.SubElement(element, "Size").text = str(held)
            ET.SubElement(element, "LastModified").text = "2026-01-02T03:04:05.000Z"
    if len(keys) > most:
        ET.SubElement(root, "IsTruncated").text = "true"
        at = int(query.get("continuation-token", "0")) + most
        ET.SubElement(root, "NextContinuationToken").text = str(at)
    return web.Response(body=ET.tostring(root), content_type="application/xml")


def _by_folder(key: str) -> list[str]:
    return key.rstrip("/").split("/")
