"""The lines of the access log: Apache's combined format, or JSON."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from starlette.types import Scope

from entrepot.server.logs.forms import as_json, moment
from entrepot.server.logs.requests import WriteAccess


def combined(put: Callable[[str], None]) -> WriteAccess:
    """Apache's combined format. The time is that of the answer's end, in UTC."""
    second, shown = 0, ""

    def write(scope: Scope, fields: dict[str, Any]) -> None:
        nonlocal second, shown
        now = int(time.time())
        if now != second:
            second, shown = now, time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now))
        client = (scope.get("client") or ("",))[0] or "-"
        get = fields.get
        user = _word(get("auth.user.name", "")) or "-"
        request = f"{_clean(get('http.request.method', ''))} {_clean(get('http.request.uri', ''))}"
        put(
            f'{client} - {user} [{shown}] "{request} HTTP/{scope["http_version"]}" '
            f"{get('http.response.status')} {get('http.response.written')} "
            f'"{_clean(get("http.request.referer", ""))}" '
            f'"{_clean(get("http.request.useragent", ""))}"\n'
        )

    return write


def one_json(put: Callable[[str], None]) -> WriteAccess:
    """One JSON object a line, its fields named as in the messages."""

    def write(scope: Scope, fields: dict[str, Any]) -> None:
        protocol = f"HTTP/{scope['http_version']}"
        line = {"time": moment(time.time()), "http.request.protocol": protocol, **fields}
        put(as_json(line) + "\n")

    return write


def _clean(text: str) -> str:
    """No client writes a line of its own into the log, ends a quoted field or fills the disk."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return text
    return text.encode("unicode_escape").decode("ascii").replace('"', '\\"')


def _word(text: str) -> str:
    """A user's name takes one column, whatever it has in it."""
    return _clean(text).replace(" ", "\\x20")
