"""Errors as the specification's JSON: one table from class to status."""

from __future__ import annotations

import json
import logging
import math
import re
from typing import Any

from starlette.responses import Response

from entrepot.core import access
from entrepot.core import errors as core
from entrepot.core.errors import ProtocolError, RegistryError, StorageError
from entrepot.core.read_only import ReadOnly
from entrepot.server.account import Account

_LOG = logging.getLogger("entrepot.server")
_RECOVERY = "10"  # seconds; the usual interval of health checks
_UNFIT = re.compile(r"[^ -~\x80-\xff]")  # what a header cannot hold


class NoEndpointError(ProtocolError):
    """A path that the specification does not have."""

    code = "UNSUPPORTED"


class MethodError(ProtocolError):
    """A method that this endpoint does not have; `allowed` are those it has."""

    code = "UNSUPPORTED"

    def __init__(self, method: str, allowed: tuple[str, ...]) -> None:
        super().__init__(f"method {method[:20]} is not supported here: {', '.join(allowed)}")
        self.allowed = allowed


class ReadOnlyError(MethodError):
    """The registry takes nothing now. Source: `storage.maintenance.readonly`, or the store."""

    def __init__(self, method: str, found: ReadOnly | None = None) -> None:
        super().__init__(method, ("GET", "HEAD"))
        why = "storage.maintenance.readonly is on" if found is None else found.reason
        self.message = f"the registry is read-only now: {why or 'the operator switched it so'}"


class UnhealthyError(ProtocolError):
    """A health check fails. Source: the text is Distribution's, as people know it."""

    code = "UNAVAILABLE"

    def __init__(self) -> None:
        super().__init__(
            "service unavailable", detail="health check failed: please see /debug/health"
        )


class BodyTimeoutError(ProtocolError):
    """A client that stopped sending in the middle of a body."""

    code = "BLOB_UPLOAD_INVALID"


class TooManyTagsError(ProtocolError):
    """More `tag` parameters than a push may have. Source: distribution-spec 1.2, end-7b."""

    code = "TAG_INVALID"


class QueryInvalidError(ProtocolError):
    """A query parameter that is wrong or contradicts itself."""

    code = "UNSUPPORTED"


_STATUS: dict[type[RegistryError], int] = {
    access.UnauthorizedError: 401,
    access.BusyError: 429,
    access.AuthenticationUnavailableError: 503,
    core.BlobUnknownError: 404,
    core.BlobUploadUnknownError: 404,
    access.DeniedError: 403,
    core.DigestInvalidError: 400,
    core.ManifestBlobUnknownError: 400,
    core.ManifestInvalidError: 400,
    core.ManifestTooLargeError: 413,
    core.ManifestUnknownError: 404,
    core.NameInvalidError: 400,
    core.NameUnknownError: 404,
    core.PaginationNumberInvalidError: 400,
    core.RangeInvalidError: 416,
    core.SizeInvalidError: 400,
    core.TagInvalidError: 400,
    core.UnsupportedError: 405,
    NoEndpointError: 404,
    MethodError: 405,
    ReadOnlyError: 405,
    BodyTimeoutError: 408,
    QueryInvalidError: 400,
    TooManyTagsError: 414,
    UnhealthyError: 503,
}


def check_deletable(kind: str, *, is_on: bool) -> None:
    """Raises UnsupportedError: if clients may not delete what is of this kind."""
    if not is_on:
        raise core.UnsupportedError(
            f"deleting {kind} is off: the operator can set storage.delete.enabled, "
            f"or storage.delete.{kind} alone"
        )


def document(code: str, message: str, detail: Any = None) -> bytes:
    """The specification's error body."""
    error = {"code": code, "message": message}
    if detail is not None:
        error["detail"] = detail
    return json.dumps({"errors": [error]}).encode() + b"\n"


def note(seen: Account, error: Exception) -> None:
    """Keep for the logs what is wrong; of our own errors, what no client is told."""
    if isinstance(error, ProtocolError):
        seen.error, seen.message, seen.detail = error.code, error.message, error.detail
    elif isinstance(error, StorageError):
        code = "NAME_INVALID" if isinstance(error, core.KeyInvalidError) else "UNAVAILABLE"
        seen.error, seen.message, seen.detail = code, "storage", str(error)
    else:
        seen.error, seen.message, seen.detail = "UNKNOWN", "unexpected error", type(error).__name__


def answer(error: Exception) -> Response:
    """What a client is told of an error; what only an operator may know is logged instead."""
    if isinstance(error, core.ManifestBlobUnknownError):
        return _missing_blobs(error)
    if isinstance(error, ProtocolError):
        return _protocol(error)
    if isinstance(error, StorageError):
        return _storage(error)
    _LOG.error("unexpected error", exc_info=error)
    return _response(500, document("UNKNOWN", "unexpected error; the registry's log has the cause"))


def _protocol(error: ProtocolError) -> Response:
    if isinstance(error, access.UnauthorizedError):
        return _unauthorized(error)
    response = _response(_status(error), document(error.code, error.message, error.detail))
    if isinstance(error, MethodError):
        response.headers["Allow"] = ", ".join(error.allowed)
    if isinstance(error, UnhealthyError):
        response.headers["Retry-After"] = _RECOVERY
    if isinstance(error, access.BusyError | access.AuthenticationUnavailableError):
        response.headers["Retry-After"] = str(max(1, math.ceil(error.retry_after)))
    return response


def _status(error: ProtocolError) -> int:
    """That of its class, or of the nearest one it is derived from."""
    return next(_STATUS[each] for each in type(error).__mro__ if each in _STATUS)


def _unauthorized(error: access.UnauthorizedError) -> Response:
    """Its detail is there even if nothing in particular was wanted, as Distribution has it."""
    told = {"code": error.code, "message": error.message, "detail": error.detail}
    response = _response(401, json.dumps({"errors": [told]}).encode() + b"\n")
    response.headers["WWW-Authenticate"] = _UNFIT.sub("", error.challenge)
    return response


def _missing_blobs(error: core.ManifestBlobUnknownError) -> Response:
    """One error for each digest, as Distribution gives them."""
    listed = [
        {"code": error.code, "message": error.message, "detail": digest}
        for digest in error.missing[:100]
    ]
    return _response(400, json.dumps({"errors": listed}).encode() + b"\n")


def _storage(error: StorageError) -> Response:
    """The store's troubles: logged in full, told in words that hold no key or path."""
    if isinstance(error, core.KeyInvalidError):
        return _response(400, document("NAME_INVALID", "the storage cannot hold such a name"))
    _LOG.error("storage: %s", error, exc_info=error if _LOG.isEnabledFor(logging.DEBUG) else None)
    if isinstance(error, core.FullError):
        return _response(507, document("UNAVAILABLE", "the registry's storage is full"))
    if isinstance(error, core.AccessError):
        told = "the registry's storage refuses access; its log has the cause"
        return _response(503, document("UNAVAILABLE", told))
    response = _response(503, document("UNAVAILABLE", "the registry's storage does not answer"))
    retry_after = error.retry_after if isinstance(error, core.UnavailableError) else 1.0
    response.headers["Retry-After"] = str(max(1, math.ceil(retry_after)))
    return response


def _response(status: int, body: bytes) -> Response:
    return Response(body, status, media_type="application/json")
