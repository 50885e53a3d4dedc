"""What Azure's answers mean, in one table."""

from __future__ import annotations

import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from azure.core.exceptions import ClientAuthenticationError
from entrepot.core import (
    AccessError,
    ExistsError,
    FullError,
    NotFoundError,
    StorageError,
    UnavailableError,
)

_CLOCK = 300.0  # seconds of difference that explain a refused signature
_ABSENT = {"BlobNotFound", "ResourceNotFound", "PathNotFound"}
_REFUSED = {
    "AccountIsDisabled": "the storage account is disabled",
    "BlobArchived": "the blob is in the archive tier and has to be rehydrated",
    "BlobImmutableDueToPolicy": "an immutability policy or a legal hold protects the blob",
    "ContainerNotFound": "the container does not exist",
    "FeatureVersionMismatch": "the account does not offer this operation",
    "LeaseIdMissing": "somebody holds a lease on the blob",
    "SnapshotsPresent": "the blob has snapshots",
}
_SOURCE = {"CannotVerifyCopySource", "SourceConditionNotMet"}
_FULL = {"BlockCountExceedsLimit", "InsufficientStorage", "QuotaExceeded", "RequestBodyTooLarge"}
_MOMENTARY = {"ContainerBeingDeleted", "InternalError", "OperationTimedOut", "ServerBusy"}
_BUSY = {408, 429, 500, 502, 503, 504}


class SourceError(UnavailableError):
    """Azure could not read what it was to copy: it may be gone, or be refused to it."""


def code_of(headers: Mapping[str, str]) -> str:
    """Azure's name for what is wrong; empty for an answer that is not Azure's."""
    return headers.get("x-ms-error-code", "")


def is_temporary(status: int, headers: Mapping[str, str]) -> bool:
    """Whether the same request may succeed in a moment."""
    codes = {code_of(headers), headers.get("x-ms-copy-source-error-code", "")}
    return status in _BUSY or not _MOMENTARY.isdisjoint(codes)


def error_of(key: str, status: int, headers: Mapping[str, str]) -> StorageError:
    """The error that an answer is, for an object."""
    code = code_of(headers)
    told = f"Azure answered {status} {code}".rstrip()
    if status == 404 and code in _ABSENT:
        return NotFoundError(key)
    if code == "BlobAlreadyExists":
        return ExistsError(key)
    if code in _FULL or status == 507:
        return FullError(key, f"no room for it ({told})")
    if code not in _SOURCE and (code in _REFUSED or status in {401, 403}):
        return AccessError(key, _refusal(code, told, headers))
    kind = SourceError if code in _SOURCE else UnavailableError
    return kind(key, told, retry_after=retry_after(headers))


def unanswered(key: str, error: Exception) -> StorageError:
    """What a request that got no answer means; the cause's text may hold URLs, so none of it."""
    if isinstance(error, ClientAuthenticationError):
        return AccessError(key, "Microsoft Entra gave no token: check the credentials")
    if isinstance(error, TimeoutError):
        return UnavailableError(key, "Azure did not answer in time")
    return UnavailableError(key, f"no answer from Azure ({type(error).__name__})")


def retry_after(headers: Mapping[str, str]) -> float:
    """Seconds after which to ask again; one, if Azure does not say."""
    text = headers.get("retry-after", "")
    return min(float(text), 60.0) if text.isdecimal() else 1.0


def _refusal(code: str, told: str, headers: Mapping[str, str]) -> str:
    if code in _REFUSED:
        return f"{_REFUSED[code]} ({told})"
    skew = _skew(headers)
    if abs(skew) > _CLOCK:
        side = "behind" if skew > 0 else "ahead of"
        return (
            f"this machine's clock is {abs(skew):.0f} seconds {side} Azure's, so signatures are "
            f"refused: set it right ({told})"
        )
    return f"not allowed: check the credentials and their role on the container ({told})"


def _skew(headers: Mapping[str, str]) -> float:
    """Seconds that the server's clock is ahead of this machine's."""
    try:
        return parsedate_to_datetime(headers.get("date", "")).timestamp() - time.time()
    except ValueError:
        return 0.0
