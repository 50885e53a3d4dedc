"""What a cluster can do, as it says itself."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from typing import Any

import httpx2

from entrepot.core import AccessError
from entrepot_swift.options import SwiftOptions

_LOG = logging.getLogger(__name__)
_DIGESTS = ("sha256", "sha512", "sha1")  # the best first
_CONTAINER_KEYS = (2, 3)  # version of Swift since which containers have keys of their own


@dataclass(frozen=True, slots=True)
class Features:
    """Of Swift's middlewares. Without an answer: what the options say, and what is cautious."""

    most_segments: int = 1000  # of one manifest
    most_deletes: int = 0  # of one request; 0: there is no bulk deletion
    methods: tuple[str, ...] = ()  # of temporary URLs
    digest: str = "sha1"  # that signs them
    container_key: bool = False
    page: int = 0  # most entries of a listing; 0: nobody knows


async def ask(http: httpx2.AsyncClient, account: str, options: SwiftOptions) -> Features:
    """Ask the cluster whose account is at that URL.

    Raises AccessError: if it has no static large objects, without which nothing can be stored.
    """
    unknown = Features(methods=options.tempurlmethods, container_key=options.tempurlcontainerkey)
    url = httpx2.URL(account)
    above = "/".join(url.path.rstrip("/").split("/")[:-2])
    try:
        response = await http.get(url.copy_with(path=f"{above}/info"))
        said = response.json() if response.status_code == 200 else None
        return _features(said) if isinstance(said, dict) else unknown  # pyright: ignore[reportUnknownArgumentType]
    except (httpx2.HTTPError, json.JSONDecodeError, UnicodeDecodeError) as error:
        _LOG.warning("Swift does not say what it can: %s", type(error).__name__)
        return unknown


def _features(said: dict[str, Any]) -> Features:
    if "slo" not in said:
        raise AccessError("", "the cluster has no static large objects, which the driver needs")
    links = said.get("tempurl", {})
    allowed = links.get("allowed_digests", ("sha1",))
    swift = said.get("swift", {})
    return Features(
        most_segments=said["slo"].get("max_manifest_segments", 1000),
        most_deletes=said.get("bulk_delete", {}).get("max_deletes_per_request", 0),
        methods=tuple(links.get("methods", ())),
        digest=next((each for each in _DIGESTS if each in allowed), "sha1"),
        container_key=_version(swift.get("version", "")) >= _CONTAINER_KEYS,
        page=swift.get("container_listing_limit", 0),
    )


def _version(text: str) -> tuple[int, ...]:
    """`2.30.1-dev3` as (2, 30)."""
    return tuple(int(part) for part in text.split(".")[:2] if part.isdecimal())
