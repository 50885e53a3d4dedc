"""URLs as clients can reach them: behind a proxy, below a prefix, absolute or not.

Sources: RFC 7239 (`Forwarded`); Distribution's `http.host`, `http.prefix`, `http.relativeurls`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from starlette.types import Scope

_HOST = re.compile(r"(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_TELLING = (b"host", b"forwarded", b"x-forwarded-proto", b"x-forwarded-host")
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

    def base(self, scope: Scope) -> tuple[str, bool]:
        """Scheme and host as the client reaches us, and whether the scheme is more than a guess.

        Empty if it is unclear. A proxy that speaks TLS and does not say so makes it a guess.
        """
        if self.host:
            return "/".join(self.host.split("/", 3)[:3]), True
        return _base(scope)

    def locate(self, scope: Scope, path: str) -> str:
        """What goes into a Location header."""
        if self.host:
            return self.host.rstrip("/") + self.path(scope, path)
        if self.relative:
            return self.path(scope, path)
        return _base(scope)[0] + self.path(scope, path)


def _base(scope: Scope) -> tuple[str, bool]:
    """See `Urls.base`; empty, so a relative URL, if it is unclear."""
    sent: dict[bytes, str | None] = dict.fromkeys(_TELLING)
    for name, value in scope["headers"]:
        if name in sent and sent[name] is None:
            sent[name] = value.decode("latin-1")
    return _base_of(scope.get("scheme", "http"), *sent.values())


@lru_cache(256)
def _base_of(
    scheme: str, host: str | None, forwarded: str | None, proto: str | None, name: str | None
) -> tuple[str, bool]:
    host = host or ""
    told = _first(proto)
    if forwarded is not None:
        elements = _elements(forwarded)
        told, host = elements.get("proto", ""), elements.get("host", host)
    else:
        host = _first(name) or host
    is_told = bool(told) or scheme == "https"
    scheme = (told or scheme).lower()
    if scheme not in {"http", "https"} or not _HOST.fullmatch(host):
        return "", is_told
    return f"{scheme}://{host}", is_told


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
