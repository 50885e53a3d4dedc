"""What is used of Google's libraries. They have no types that help, hence `Any`."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import google.auth
import google.auth.exceptions
import google.auth.iam
import google.auth.identity_pool
import google.auth.transport.requests
import google.oauth2.credentials
import google.oauth2.service_account
import google_crc32c
import requests

AuthError = google.auth.exceptions.GoogleAuthError
TransportError = google.auth.exceptions.TransportError
_auth: Any = google.auth
_account_keys: Any = google.oauth2.service_account.Credentials
_people: Any = google.oauth2.credentials.Credentials
_federation: Any = google.auth.identity_pool.Credentials
_crc32c: Any = google_crc32c
_iam: Any = google.auth.iam
_transport: Any = google.auth.transport.requests
_TIMEOUT = 5.0  # seconds that a server of tokens or signatures may be silent


def loaded(written: Mapping[str, Any], scopes: list[str]) -> Any:
    """Credentials from the content of a file. Raises ValueError: if it is of no known kind."""
    match written.get("type"):
        case "service_account":
            return _account_keys.from_service_account_info(written, scopes=scopes)
        case "authorized_user":
            return _people.from_authorized_user_info(written)
        case "external_account":
            return _federation.from_info(written, scopes=scopes)
        case kind:
            raise ValueError(f"credentials of type {kind!r}")


def from_environment(scopes: list[str]) -> Any:
    """What Google's own clients would use here. Blocks. Raises AuthError: if there is nothing."""
    return _auth.default(scopes=scopes)[0]


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
