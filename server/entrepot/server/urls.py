"""URLs as clients can reach them: behind a proxy, below a prefix, absolute or not.

Sources: RFC 7239 (`Forwarded`); Distribution's `http.host`, `http.prefix`, `http.relativeurls`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import Scope

_HOST = re.compile(r"(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_FORWARDED = re.compile(r'\s*([A-Za-z]+)=(?:"([^"]*)"|([^;,"\s]*))\s*')


@dataclass(frozen=True, slots=True)
class Urls:
    """How the configuration wants URLs: `host` is a URL or empty, `prefix` begins and ends
    with a slash.
    """

    host: str = ""
    prefix: str = "/"
    relative: bool = False

    def path(self, scope: Scope, path: str) -> str:
        """The path of `path` (which begins with `/v2/`) below all prefixes."""
        root: str = scope.get("root_path", "")
        return root + self.prefix[:-1] + path

    def locate(self, scope: Scope, path: str) -> str:
        """What goes into a Location header."""
        if self.host:
            return self.host.rstrip("/") + self.path(scope, path)
        if self.relative:
            return self.path(scope, path)
        return _base(scope) + self.path(scope, path)


def _base(scope: Scope) -> str:
    """Scheme and host as the client sees them; empty (so a relative URL) if that is unclear."""
    headers = Headers(scope=scope)
    scheme: str = scope.get("scheme", "http")
    host: str = headers.get("host", "")
    forwarded = headers.get("forwarded")
    if forwarded is not None:
        elements = _elements(forwarded)
        scheme, host = elements.get("proto", scheme), elements.get("host", host)
    else:
        scheme = _first(headers.get("x-forwarded-proto")) or scheme
        host = _first(headers.get("x-forwarded-host")) or host
    if scheme.lower() not in {"http", "https"} or not _HOST.fullmatch(host):
        return ""
    return f"{scheme.lower()}://{host}"


def _elements(forwarded: str) -> dict[str, str]:
    """The pairs of the first element, which is that of the proxy nearest to the client."""
    found: dict[str, str] = {}
    at = 0
    while match := _FORWARDED.match(forwarded, at):
        found.setdefault(match[1].lower(), match[2] if match[2] is not None else match[3])
        at = match.end()
        if forwarded[at : at + 1] != ";":
            break
        at += 1
    return found


def _first(header: str | None) -> str:
    return header.split(",", 1)[0].strip() if header else ""
