"""What an S3 server refuses, as storage errors: one table at the edge."""

from __future__ import annotations

from types import TracebackType
from xml.etree import ElementTree as ET

from entrepot.core import (
    AccessError,
    ExistsError,
    FullError,
    KeyInvalidError,
    NotFoundError,
    StorageError,
    UnavailableError,
)

_SHOWN = 200  # characters of a server's message

_KINDS: dict[str, type[StorageError]] = {
    "NoSuchKey": NotFoundError,
    "PreconditionFailed": ExistsError,
    "NoSuchBucket": AccessError,
    "InvalidBucketName": AccessError,
    "PermanentRedirect": AccessError,
    "AuthorizationHeaderMalformed": AccessError,
    "AccountProblem": AccessError,
    "ExpiredToken": AccessError,
    "InvalidToken": AccessError,
    "TokenRefreshRequired": AccessError,
    "QuotaExceeded": FullError,
    "InsufficientStorage": FullError,
    "XMinioStorageFull": FullError,
    "EntityTooLarge": FullError,
    "KeyTooLongError": KeyInvalidError,
}
_STATUS_KINDS: dict[int, type[StorageError]] = {
    301: AccessError,
    401: AccessError,
    403: AccessError,
    412: ExistsError,
    507: FullError,
}
_HINTS = {
    "RequestTimeTooSkewed": "this machine's clock and the server's differ: set the clock",
    "ExpiredToken": "the session token has expired: give a new one, or let a role provide it",
    "SignatureDoesNotMatch": "secretkey is wrong, or a proxy changes requests",
    "InvalidAccessKeyId": "the server does not know the access key",
    "NoSuchBucket": "the bucket does not exist: create it, or correct `bucket`",
    "PermanentRedirect": "the bucket is in another region: correct `region`",
    "AuthorizationHeaderMalformed": "the bucket may be in another region: correct `region`",
    "AccessDenied": "the credentials do not permit this",
}
_PASSING = {
    "SlowDown",
    "InternalError",
    "RequestTimeout",
    "ServiceUnavailable",
    "ThrottlingException",
    "Throttling",
    "RequestLimitExceeded",
    "ConditionalRequestConflict",
    "OperationAborted",
}
_THROTTLING = {"SlowDown", "ServiceUnavailable", "Throttling", "ThrottlingException"}


class Refused(Exception):  # noqa: N818 - what the server did; it becomes an error at the edge
    """A request that was not done, or of which that is not known.

    `status` 0: no answer came. `perhaps`: the server may have done it all the same, in this
    attempt or in an earlier one.
    """

    def __init__(
        self, status: int, code: str = "", message: str = "", *, retry_after: float = 0.0
    ) -> None:
        super().__init__(status, code, message)
        self.status = status
        self.code = code
        self.message = message
        self.retry_after = retry_after
        self.perhaps = status in {0, 500, 502, 504}

    @property
    def passes(self) -> bool:
        """Whether the same request may succeed a little later."""
        if self.code in _PASSING or self.status in {0, 429}:
            return True
        return self.status >= 500 and self.status not in {501, 507}

    @property
    def throttles(self) -> bool:
        return self.status in {429, 503} or self.code in _THROTTLING

    @property
    def exists(self) -> bool:
        """Whether a condition on the object's absence, or on its version, did not hold."""
        return self.status == 412 or self.code == "PreconditionFailed"

    def error(self, key: str) -> StorageError:
        kind = _KINDS.get(self.code) or _STATUS_KINDS.get(self.status, UnavailableError)
        if kind in {NotFoundError, ExistsError}:
            return kind(key)
        if kind is UnavailableError:
            wait = self.retry_after or (5.0 if self.throttles else 1.0)
            return UnavailableError(key, self._reason(), retry_after=wait)
        return kind(key, self._reason())

    def _reason(self) -> str:
        said = f"{self.code or 'status'} {self.status or ''}".strip() if self.status else ""
        hint = _HINTS.get(self.code, self.message[:_SHOWN])
        return ": ".join(part for part in (said, hint) if part)


class translating:  # noqa: N801 - read as a verb in `with`
    """What was refused becomes a storage error of the key.

    A class, because it is entered for every request and a generator costs thrice as much.
    """

    __slots__ = ("_key",)

    def __init__(self, key: str) -> None:
        self._key = key

    def __enter__(self) -> None:
        return

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, Refused):
            raise error.error(self._key) from error


def refusal(status: int, headers: dict[str, str], body: bytes, *, head: bool) -> Refused:
    """What an answer outside of 2xx says; `headers` have lower-case names."""
    code, message = _said(body)
    if head and status == 404:
        code = "NoSuchKey"  # an answer to HEAD has no body
    elif status == 404 and not code:
        message = "404 without an S3 error: is this an S3 server?"
    region = headers.get("x-amz-bucket-region", "")
    if status in {301, 307, 400} and region:
        message = f"the bucket is in region {region}: correct `region`"
        code = "" if code in _HINTS else code
    try:
        wait = float(headers.get("retry-after", "0"))
    except ValueError:
        wait = 0.0
    return Refused(status, code, message, retry_after=min(max(wait, 0.0), 60.0))


def _said(body: bytes) -> tuple[str, str]:
    """Code and message of an error's body."""
    try:
        root = ET.fromstring(body)  # noqa: S314 - expat itself limits what it expands
    except ET.ParseError:
        return "", ""
    found = {child.tag.rpartition("}")[2]: child.text or "" for child in root}
    return found.get("Code", ""), found.get("Message", "")
