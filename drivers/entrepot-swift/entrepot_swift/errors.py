"""Answers of Swift and of Keystone, and broken connections, as the registry's errors."""

from __future__ import annotations

import re

import httpx2

from entrepot.core import AccessError, FullError, NotFoundError, StorageError, UnavailableError

# 498 is what Swift's own limits of rates answer.
TRANSIENT = frozenset({408, 429, 498, 499, 500, 502, 503, 504})
_FULL = {413: "a quota is used up or the object is too large", 507: "the cluster is full"}
_PATIENCE = 60.0  # seconds; the longest that a server may have the clients wait
_TAG = re.compile(r"<[^>]*>")
_LONGEST = 200


def refused(key: str, response: httpx2.Response, body: bytes) -> StorageError:
    """What a status means that nobody expected."""
    status = response.status_code
    said = f"{status} {response.reason_phrase}{_text(body)}"
    if status in (401, 403):
        return AccessError(key, f"Swift refuses: {said}")
    if status == 404:
        return NotFoundError(key)
    if status in _FULL:
        return FullError(key, f"{_FULL[status]}: {said}")
    return UnavailableError(key, f"Swift answers {said}", retry_after=patience(response) or 1.0)


def broken(key: str, error: Exception) -> UnavailableError:
    """What a timeout or a broken connection means."""
    what = "does not answer in time" if isinstance(error, httpx2.TimeoutException) else "fails"
    host = _host(error)
    said = f": {error}" if str(error) else f": {type(error).__name__}"
    return UnavailableError(key, f"the connection to {host} {what}{said}"[:_LONGEST])


def patience(response: httpx2.Response) -> float:
    """Seconds of `Retry-After`; 0 without it."""
    said = response.headers.get("Retry-After", "")
    return min(float(said), _PATIENCE) if said.isdecimal() else 0.0


def _host(error: Exception) -> str:
    try:
        return error.request.url.netloc.decode() if isinstance(error, httpx2.RequestError) else ""
    except RuntimeError:  # nobody told it its request
        return "the server"


def _text(body: bytes) -> str:
    """The words of an answer in one bounded line."""
    line = " ".join(_TAG.sub(" ", body.decode(errors="replace")).split())
    return f": {line[:_LONGEST]}" if line else ""
