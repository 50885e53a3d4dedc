"""Secrets that stand in URLs, taken out before a URL is written anywhere."""

from __future__ import annotations

import re
from urllib.parse import unquote

MASK = "******"

_SECRET = re.compile(
    r"state|token|sig\Z|signature|secret|passw|credential|api_?key|assertion|\Aauth|\Acode\Z",
    re.IGNORECASE,
)
_USER = re.compile(r"//[^/?#@]*@")


def masked_query(query: str) -> str:
    """A query as it came, with `******` for the value of every parameter that may be a secret:
    upload states, tokens, signatures, passwords.
    """
    pairs = query.split("&")
    return "&".join([_masked_pair(pair) for pair in pairs]) if "=" in query else query


def masked_url(url: str) -> str:
    """A URL without the secrets in its query and before its host."""
    if "@" in url:
        url = _USER.sub(f"//{MASK}@", url)
    front, mark, query = url.partition("?")
    return front + mark + masked_query(query) if mark else url


def _masked_pair(pair: str) -> str:
    key, equals, value = pair.partition("=")
    name = unquote(key).replace("-", "_")
    return f"{key}={MASK}" if equals and value and _SECRET.search(name) else pair
