"""A file of users: names and bcrypt hashes, as Apache's `htpasswd -B` writes it."""

from __future__ import annotations

import logging
import re
import secrets
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

_LOG = logging.getLogger("entrepot.server.authentication")
_HASH = re.compile(r"\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}")
_LETTERS = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_CHEAPEST, _COSTLIEST = 4, 17  # as bcrypt and `htpasswd -C` have them; 17 takes seconds
_HABITUAL = 5  # what `htpasswd -B` takes


@dataclass(frozen=True, slots=True)
class Users:
    """Hashes by name. `nobody` is a hash that no password has, and that costs what theirs do."""

    hashes: Mapping[str, bytes] = field(repr=False)
    nobody: bytes = field(repr=False)


def parse(content: bytes) -> Users:
    """The users of a file; a line that is wrong is logged by its number and left out."""
    hashes: dict[str, bytes] = {}
    costs: Counter[int] = Counter()
    for number, line in _lines(content):
        user, hashed, problem = _entry(line)
        if not problem and user in hashes:
            _LOG.warning("htpasswd line %d: a user that an earlier line has, too", number)
        if problem:
            _LOG.warning("htpasswd line %d is left out: %s", number, problem)
        else:
            hashes[user] = hashed.encode()
            costs[_cost(hashed)] += 1
    cost = costs.most_common(1)[0][0] if costs else _HABITUAL
    return Users(hashes, _hash_of_nothing(cost))


def unfinished(content: bytes) -> str:
    """Why this looks as if somebody were still writing it; empty if it does not."""
    if not content.strip():
        return "it is empty"
    *_, (number, last) = _lines(content)
    if not content.endswith(b"\n") and _entry(last)[2]:
        return f"line {number} ends early"
    return ""


def _lines(content: bytes) -> list[tuple[int, str]]:
    text = content.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    numbered = ((number, line.strip()) for number, line in enumerate(text.split("\n"), 1))
    kept = [(number, line) for number, line in numbered if line and not line.startswith("#")]
    return kept or [(1, "#")]


def _entry(line: str) -> tuple[str, str, str]:
    """User, hash and what is wrong with the line."""
    user, colon, hashed = line.partition(":")
    if not colon:
        return "", "", "no ':' between name and hash"
    if not user or "\ufffd" in user:
        return "", "", "the name is not UTF-8 text" if user else "no name before the ':'"
    if not hashed.startswith("$2"):
        return "", "", "not a bcrypt hash; make one with `entrepot auth hash`"
    if not _HASH.fullmatch(hashed):
        return "", "", "a damaged bcrypt hash"
    if not _CHEAPEST <= _cost(hashed) <= _COSTLIEST:
        return "", "", f"a cost that is not from {_CHEAPEST} to {_COSTLIEST}"
    return user, hashed, ""


def _cost(hashed: str) -> int:
    return int(hashed[4:6])


def _hash_of_nothing(cost: int) -> bytes:
    salt, digest = ("".join(secrets.choice(_LETTERS) for _ in range(length)) for length in (21, 31))
    return f"$2b${cost:02}${salt}.{digest}".encode()
