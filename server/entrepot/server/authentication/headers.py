"""Authorization headers, read with care: they are what strangers send."""

from __future__ import annotations

from binascii import a2b_base64
from dataclasses import dataclass, field

LONGEST = 8192
"""Bytes of an Authorization header; a longer one is not looked at."""


@dataclass(slots=True)
class Credentials:
    """A name and a password; both are empty where a client has none and must send something."""

    user: str
    password: str = field(repr=False)


def basic_credentials(header: str) -> Credentials | None:
    """What a `Basic` header says; None if it is none, or malformed. Source: RFC 7617."""
    scheme, _, encoded = header.partition(" ")
    if len(header) > LONGEST or scheme.lower() != "basic":
        return None
    try:
        text = a2b_base64(encoded.strip(), strict_mode=True).decode()
    except ValueError:
        return None
    user, colon, password = text.partition(":")
    return Credentials(user, password) if colon else None


def bearer_token(header: str) -> str | None:
    """What follows `Bearer`; None if the header is of another kind. Source: RFC 6750."""
    scheme, _, token = header.partition(" ")
    return token if token and scheme.lower() == "bearer" else None
