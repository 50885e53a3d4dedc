"""obstore's errors as the registry's."""

from __future__ import annotations

import re

from obstore import exceptions

from entrepot.core import (
    AccessError,
    ExistsError,
    NotFoundError,
    StorageError,
    UnavailableError,
)

_QUERY = re.compile(r"\?[^\s\"')]*")  # of a URL: it may hold a signature
_LONGEST = 300
_ACCESS = (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError)
_ABSENT_STORE = re.compile(r"NoSuchBucket|ContainerNotFound")
_DENIED = re.compile(
    r"AccessDenied|InvalidAccessKeyId|SignatureDoesNotMatch|RequestTimeTooSkewed|ExpiredToken"
    r"|AuthenticationFailed|AuthorizationFailure"
)
_THROTTLED = re.compile(r"SlowDown|ServerBusy|429 |TooManyRequests")


class translating:  # noqa: N801 - reads as a verb; as a generator it would cost several times that
    """Makes a StorageError about `key` of whatever obstore raises inside."""

    __slots__ = ("_key",)

    def __init__(self, key: str) -> None:
        self._key = key

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, StorageError):
            return
        if isinstance(error, (exceptions.BaseError, OSError)):
            raise translated(self._key, error) from None  # its text may hold a signature


def translated(key: str, error: Exception) -> StorageError:
    """The kind that fits; only an answer "no such object" counts as absence."""
    text = str(error)
    if _ABSENT_STORE.search(text):
        return AccessError(key, f"no such bucket or container: {told(error)}")
    if isinstance(error, FileNotFoundError):
        return NotFoundError(key)
    if isinstance(error, exceptions.AlreadyExistsError):
        return ExistsError(key)
    if isinstance(error, _ACCESS) or _DENIED.search(text):
        return AccessError(key, told(error))
    if _THROTTLED.search(text):
        return UnavailableError(key, f"the store asks for patience: {told(error)}", retry_after=5)
    return UnavailableError(key, told(error))


def told(error: Exception) -> str:
    """An error's text in one bounded line, without what may be secret."""
    line = " ".join(_QUERY.sub("", str(error)).partition("Debug source:")[0].split())
    return line[:_LONGEST] or type(error).__name__
