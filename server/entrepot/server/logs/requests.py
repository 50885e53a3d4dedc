"""A line for each request: in the access log, and among the messages as Distribution does."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from time import perf_counter
from typing import Any, TypeAlias

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from entrepot.core.errors import RegistryError
from entrepot.server.account import Account, account, make_current
from entrepot.server.happening import address
from entrepot.server.logs.masking import masked_query, masked_url

_LOG = logging.getLogger("entrepot.server.requests")
_LEFT = 499  # the client was gone before there was an answer
_LONGEST = 4096  # characters of one thing that a client said
FIELDS = {
    b"host": "http.request.host",
    b"referer": "http.request.referer",
    b"user-agent": "http.request.useragent",
    b"content-type": "http.request.contenttype",
}
_FORWARDED, _REAL = b"x-forwarded-for", b"x-real-ip"
_NAMES = {**FIELDS, _FORWARDED: "forwarded", _REAL: "real"}

WriteAccess: TypeAlias = Callable[[Scope, dict[str, Any]], None]
"""Takes a request and its fields, those of a `response completed`."""


class AnswerBrokenError(Exception):
    """Breaks off an answer whose error is in the log already; its name is all that is logged."""


class RequestLog:
    """ASGI middleware, the outermost: keeps the account of each request and tells of it.

    `write_access` gets every request that is over. Of those to the API, a message `response
    completed` is logged, too: with an error of ours at level error, else at level info.
    """

    def __init__(self, app: ASGIApp, write_access: WriteAccess | None) -> None:
        self.app = app
        self._write_access = write_access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        seen = account(scope)
        make_current(seen)
        has_body = scope["method"] != "HEAD"

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                _note(seen, message)
            elif has_body:
                seen.written += len(message.get("body", b""))
            await send(message)

        try:
            await self.app(scope, receive, sending)
        except Exception as error:
            _note_broken(seen, error)
            raise AnswerBrokenError from None
        finally:
            self._tell(scope, seen)

    def _tell(self, scope: Scope, seen: Account) -> None:
        level = logging.ERROR if seen.status >= 500 or seen.broken else logging.INFO
        is_told = bool(seen.kind or seen.error) and _LOG.isEnabledFor(level)
        if not is_told and self._write_access is None:
            return
        fields = _fields(scope, seen)
        if self._write_access is not None:
            self._write_access(scope, fields)
        if is_told:
            is_error = seen.status >= 400 or seen.broken
            message = "response completed with error" if is_error else "response completed"
            record = logging.LogRecord(_LOG.name, level, __file__, 0, message, None, None, "_tell")
            record.fields = fields
            _LOG.handle(record)  # not `log`, which would look for its caller


def _note(seen: Account, message: Message) -> None:
    seen.status = message["status"]
    for name, value in message.get("headers", ()):
        if name == b"content-type":
            seen.content_type = value.decode("latin-1")
            return


def _note_broken(seen: Account, error: Exception) -> None:
    seen.broken = True
    seen.error, seen.message = seen.error or "UNKNOWN", "the answer was broken off"
    seen.detail = str(error) or type(error).__name__
    if not isinstance(error, RegistryError):
        _LOG.error("unexpected error", exc_info=error)


def _fields(scope: Scope, seen: Account) -> dict[str, Any]:
    """A request under Distribution's names; what does not apply is left out."""
    given = _headers(scope)
    forwarded, real = given.pop("forwarded", ""), given.pop("real", "")
    query: bytes = scope["query_string"]
    uri = scope["raw_path"].decode("latin-1") if "raw_path" in scope else scope["path"]
    if query:
        uri = f"{uri}?{masked_query(query.decode('latin-1'))}"
    fields: dict[str, Any] = {
        "http.request.id": seen.id,
        "http.request.method": scope["method"][:32],
        "http.request.uri": uri[:_LONGEST],
        "http.request.remoteaddr": address(forwarded, real, scope.get("client")),
        **given,
        "http.response.status": seen.status or _LEFT,
        "http.response.written": seen.written,
        "http.response.duration": f"{(perf_counter() - seen.began) * 1000:.3f}ms",
    }
    if seen.content_type:
        fields["http.response.contenttype"] = seen.content_type
    if seen.user:
        fields["auth.user.name"] = seen.user
    if seen.name:
        fields["vars.name"] = seen.name[:_LONGEST]
    if seen.reference:
        fields[_reference(seen)] = seen.reference[:_LONGEST]
    if seen.error:
        _add_error(fields, seen)
    return fields


def _headers(scope: Scope) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        field = _NAMES.get(name)
        if field is not None:
            found[field] = value[:_LONGEST].decode("latin-1")
    referer = found.get("http.request.referer")
    if referer:
        found["http.request.referer"] = masked_url(referer)
    return found


def _reference(seen: Account) -> str:
    if seen.kind == "blob_upload_chunk":
        return "vars.uuid"
    return "vars.digest" if seen.kind in {"blob", "referrers"} else "vars.reference"


def _add_error(fields: dict[str, Any], seen: Account) -> None:
    """Distribution writes codes in words: `manifest unknown`."""
    fields["err.code"] = seen.error.lower().replace("_", " ")
    fields["err.message"] = seen.message[:_LONGEST]
    if seen.detail is not None:
        detail = seen.detail if isinstance(seen.detail, str) else json.dumps(seen.detail)
        fields["err.detail"] = detail[:_LONGEST]
