"""What is used of Google's libraries. They have no types that help, hence `Any`."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from typing import Any

import google.auth
import google.auth.exceptions
import google.auth.iam
import google.auth.transport.requests
import google.oauth2.service_account
import google_crc32c
import requests

auth: Any = google.auth
AuthError = google.auth.exceptions.GoogleAuthError
TransportError = google.auth.exceptions.TransportError
_crc32c: Any = google_crc32c
_iam: Any = google.auth.iam
_transport: Any = google.auth.transport.requests
_TIMEOUT = 5.0  # seconds that a server of tokens or signatures may be silent


def refresh(credentials: Any) -> None:
    """Have a new token. Blocks for some seconds at most. Raises AuthError."""
    with _requests() as request:
        credentials.refresh(request)


def signed(credentials: Any, account: str | None, content: bytes) -> bytes:
    """A signature in the account's name: at once with its key, else by a request. Blocks."""
    if has_key(credentials):
        return bytes(credentials.sign_bytes(content))
    with _requests() as request:
        return bytes(_iam.Signer(request, credentials, account).sign(content))


def has_key(credentials: Any) -> bool:
    """Whether the credentials sign in this process, without asking anybody."""
    return isinstance(credentials, google.oauth2.service_account.Credentials)


def crc32c_behind(before: int, content: bytes) -> int:
    """The checksum of what has `before`, with content behind it."""
    return int(_crc32c.extend(before, content))


@contextmanager
def _requests() -> Generator[Any, None, None]:
    with requests.Session() as session:
        yield partial(_transport.Request(session), timeout=_TIMEOUT)
