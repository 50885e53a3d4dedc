"""What Google's answers and the network's failures mean, by one table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from entrepot.core import AccessError, NotFoundError, StorageError, UnavailableError

_AGAIN = {408, 429, 500, 502, 503, 504}
_LIMITS = {"rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded"}  # told by a 403, too
_NO_BUCKET = "bucket does not exist"
_SHOWN = 300  # characters of a message that are repeated
_LONGEST_WAIT = 3600.0  # seconds that a client is told to wait at most


class TransientError(UnavailableError):
    """Worth another try, not before `wait` seconds have passed."""

    def __init__(self, key: str, reason: str, *, wait: float = 0.0) -> None:
        super().__init__(key, reason, retry_after=min(max(wait, 1.0), _LONGEST_WAIT))
        self.wait = wait


class PreconditionError(UnavailableError):
    """The object is not, or no longer, the generation that the request asked for."""


class NoBucketError(AccessError):
    """The bucket is not there, which must not make every object look deleted."""


class GoneError(UnavailableError):
    """The upload session has ended."""


_KINDS: dict[int, type[StorageError]] = {
    401: AccessError,
    403: AccessError,
    410: GoneError,
    412: PreconditionError,
}


def answered(key: str, status: int, headers: Mapping[str, str], body: bytes) -> StorageError:
    """The contract's kind of an answer that is none of those asked for."""
    message, reasons = _told(body)
    reason = f"status {status}: {message}" if message else f"status {status}"
    if status in _AGAIN or (status == 403 and not _LIMITS.isdisjoint(reasons)):
        return TransientError(key, reason, wait=_wait(headers))
    if status == 404:
        return NoBucketError(key, message) if _NO_BUCKET in message else NotFoundError(key)
    return _KINDS.get(status, UnavailableError)(key, reason)


def _told(body: bytes) -> tuple[str, set[str]]:
    """Google's message and its reasons; of what is not Google's JSON, the beginning."""
    try:
        error: Any = json.loads(body)["error"]
        reasons = {str(one.get("reason")) for one in error.get("errors", ())}
        return str(error["message"])[:_SHOWN], reasons
    except (ValueError, LookupError, TypeError, AttributeError):
        return body[:_SHOWN].decode("utf-8", "replace").strip(), set()


def _wait(headers: Mapping[str, str]) -> float:
    told = headers.get("Retry-After", "")
    return float(told) if told.isdecimal() else 0.0
