"""Who the requests come from: Google's credentials, kept fresh beside them."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

from entrepot.core import AccessError, StorageError
from entrepot.core.threads import Threads
from entrepot.drivers.gcs.errors import TransientError
from entrepot.drivers.gcs.google import (
    AuthError,
    TransportError,
    from_environment,
    loaded,
    refresh,
)
from entrepot.drivers.gcs.options import GcsOptions

SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]  # IAM says what is allowed in it
_AHEAD = 600.0  # seconds before its end that a token is replaced
_PAUSE = 30.0  # seconds between replacements that nobody waits for


def load(options: GcsOptions) -> Any:
    """Google's credentials as configured, or those of the environment. Blocks.

    Raises AccessError: if there are none, or the file cannot be used; the message says which.
    """
    try:
        if options.credentials:
            return loaded(options.credentials, SCOPES)
        if options.keyfile:
            with open(options.keyfile, encoding="utf-8") as file:
                return loaded(json.load(file), SCOPES)
        return from_environment(SCOPES)
    except OSError as error:
        reason = f"cannot read the keyfile {options.keyfile}: {error.strerror}"
        raise AccessError("", reason) from error
    except (AuthError, ValueError, TypeError, AttributeError) as error:
        raise AccessError("", _unusable(options)) from error


def _unusable(options: GcsOptions) -> str:
    if options.credentials or options.keyfile:
        where = f"the keyfile {options.keyfile}" if options.keyfile else "`credentials`"
        return (
            f"{where} is not a service account's key as Google's console gives it, nor a file of "
            "type authorized_user or external_account"
        )
    return (
        "found no Google credentials: set `keyfile` or `credentials`, the variable "
        "GOOGLE_APPLICATION_CREDENTIALS, or run where a service account is attached"
    )


class Authority:
    """Gives each request its headers. `credentials` is None where none are sent."""

    def __init__(self, credentials: Any, threads: Threads) -> None:
        self.credentials = credentials
        self._threads = threads
        self._renewal: asyncio.Task[None] | None = None
        self._paused_until = 0.0

    async def headers(self) -> dict[str, str]:
        """Waits only where there is no valid token; one that ends soon is replaced beside."""
        headers: dict[str, str] = {}
        if self.credentials is None:
            return headers
        if not self.credentials.valid:
            await self.renew(self.credentials.token)
        elif self._ends_soon():
            self._begin()
        self.credentials.apply(headers)
        return headers

    async def renew(self, token: str | None) -> None:
        """Get another token than this one; all who ask at once wait for the same.

        Raises AccessError: if the credentials are refused.
        """
        if self.credentials is not None and self.credentials.token == token:
            await asyncio.shield(self._begin())

    async def close(self) -> None:
        if self._renewal is not None:
            await asyncio.wait([self._renewal])

    def _ends_soon(self) -> bool:
        expiry = self.credentials.expiry
        if expiry is None or asyncio.get_running_loop().time() < self._paused_until:
            return False
        return bool((expiry.replace(tzinfo=UTC) - datetime.now(UTC)).total_seconds() < _AHEAD)

    def _begin(self) -> asyncio.Task[None]:
        if self._renewal is None or self._renewal.done():
            self._paused_until = asyncio.get_running_loop().time() + _PAUSE
            self._renewal = asyncio.create_task(self._threads.run(renew, self.credentials))
            self._renewal.add_done_callback(_noticed)
        return self._renewal


def _noticed(task: asyncio.Task[None]) -> None:
    """Who waits is told of an error; if nobody does, the next one to need a token is."""
    _ = task.cancelled() or task.exception()


def renew(credentials: Any) -> None:
    """Have a new token. Blocks, for some seconds at most.

    Raises AccessError: if the credentials are refused; TransientError: if nobody answers.
    """
    try:
        refresh(credentials)
    except AuthError as error:
        raise _refused(error) from error


def _refused(error: Exception) -> StorageError:
    if isinstance(error, TransportError) or getattr(error, "retryable", False):
        return TransientError("", "the server that gives tokens does not answer")
    text = str(error)
    if "reasonable timeframe" in text or "iat and exp" in text:
        return AccessError("", "Google refuses the token's time: set this machine's clock right")
    return AccessError("", f"Google refuses the credentials ({type(error).__name__})")
