"""What OSS refuses, and broken connections, as the registry's errors: one table at the edge."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from types import TracebackType
from xml.etree import ElementTree as ET

import httpx2

from entrepot.core import (
    AccessError,
    ExistsError,
    FullError,
    NotFoundError,
    StorageError,
    UnavailableError,
)

_SHOWN = 200  # characters of a server's message
_PATIENCE = 60.0  # seconds; the longest that a server may have the clients wait

_KINDS: dict[str, type[StorageError]] = {
    "NoSuchKey": NotFoundError,
    "FileAlreadyExists": ExistsError,
    "NoSuchBucket": AccessError,
    "EndpointMismatch": AccessError,
    "QuotaExceeded": FullError,
    "EntityTooLarge": FullError,
}
_HINTS = {
    "AccessDenied": "the credentials do not permit this",
    "EndpointMismatch": "the bucket is elsewhere: correct `region` or `endpoint`",
    "InvalidAccessKeyId": "OSS does not know the accesskeyid, or its securitytoken is missing",
    "InvalidSecurityToken": "the securitytoken is wrong, or is not the accesskeyid's",
    "NoSuchBucket": "the bucket does not exist: make it, or correct `bucket`",
    "RequestTimeTooSkewed": "this machine's clock and OSS's differ: set the clock",
    "SecurityTokenExpired": "the securitytoken has expired: give a new one, or use `ramrole`",
    "SignatureDoesNotMatch": "accesskeysecret is wrong, or a proxy changes requests",
    "UserDisable": "the account is disabled or in debt",
}
_PASSING = {"InternalError", "RequestTimeout", "ServiceUnavailable", "SlowDown", "QpsLimitExceeded"}
_EXPIRED = {"SecurityTokenExpired", "InvalidSecurityToken", "InvalidAccessKeyId"}


class Refused(Exception):  # noqa: N818 - what OSS did; it becomes an error at the edge
    """A request that was not done, or of which that is not known.

    `status` 0: no answer came. `perhaps`: OSS may have done it all the same, in this attempt or
    in an earlier one.
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
        if self.code in _PASSING or self.status in {0, 408, 429}:
            return True
        return self.status >= 500 and self.status not in {501, 507}

    @property
    def expired(self) -> bool:
        """Whether other keys might be taken."""
        return self.code in _EXPIRED

    @property
    def absent(self) -> bool:
        return self.code == "NoSuchKey"

    @property
    def upload_gone(self) -> bool:
        """Whether the multipart upload was completed or aborted."""
        return self.code == "NoSuchUpload"

    def error(self, key: str) -> StorageError:
        kind = _KINDS.get(self.code)
        if kind is None:
            kind = AccessError if self.status in {301, 401, 403} else UnavailableError
        if kind in {NotFoundError, ExistsError}:
            return kind(key)
        if kind is UnavailableError:
            return UnavailableError(key, self._reason(), retry_after=self.retry_after or 1.0)
        return kind(key, self._reason())

    def _reason(self) -> str:
        said = f"OSS answers {self.status} {self.code}".strip() if self.status else ""
        hint = _HINTS.get(self.code, self.message[:_SHOWN])
        return ": ".join(part for part in (said, hint) if part)


class translating:  # noqa: N801 - read as a verb in `with`
    """What was refused becomes a storage error of the key."""

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


def refusal(status: int, headers: Mapping[str, str], body: bytes) -> Refused:
    """What an answer outside of 2xx says; that of HEAD says it in a header."""
    if not body and "x-oss-err" in headers:
        body = _decoded(headers["x-oss-err"])
    said = _fields(body)
    code, message = said.get("Code", ""), said.get("Message", "")
    if status == 404 and not said and headers.get("x-oss-request-id"):
        code = "NoSuchKey"  # of HEAD, from a server that leaves the header out
    elif status == 404 and not said:
        message = "404 without an error of OSS: is this OSS?"
    if (code == "AccessDenied" and said.get("Endpoint")) or "signing region" in message:
        code = "EndpointMismatch"
    return Refused(status, code, message, retry_after=_patience(headers))


def broken(error: Exception) -> Refused:
    """What a timeout or a broken connection means. Raises any other error as it is."""
    if isinstance(error, TimeoutError | httpx2.TimeoutException):
        refused = Refused(0, message="OSS does not answer in time")
    elif isinstance(error, httpx2.HTTPError | OSError):
        said = str(error) or type(error).__name__
        refused = Refused(0, message=f"the connection to OSS fails: {said}"[:_SHOWN])
    else:
        raise error
    refused.perhaps = not isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout)
    return refused


def _fields(body: bytes) -> dict[str, str]:
    """What is in an error's body; nothing if it is none."""
    try:
        root = ET.fromstring(body)  # noqa: S314 - expat itself limits what it expands
    except ET.ParseError:
        return {}
    return {child.tag: child.text or "" for child in root} if root.tag == "Error" else {}


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except binascii.Error:
        return b""


def _patience(headers: Mapping[str, str]) -> float:
    """Seconds of `Retry-After`; 0 without it."""
    said = headers.get("retry-after", "")
    return min(float(said), _PATIENCE) if said.isdecimal() else 0.0
