"""Passwords of a file of users, and seals that end with them."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Protocol

from entrepot.core.errors import ConfigurationError
from entrepot.core.threads import Threads
from entrepot.server.authentication import users
from entrepot.server.authentication.everyone import Everyone
from entrepot.server.authentication.htpasswd import Htpasswd
from entrepot.server.authentication.users import Users
from entrepot.server.authentication.watching import Watched

_KEY = "auth.entrepot.htpasswd"


class Passwords(Protocol):
    """Who has which password."""

    async def verify(self, user: str, password: str) -> bool:
        """Whether it is this user's; takes as long for a user that there is not.

        Raises BusyError: if too many others are being verified.
        """
        ...

    def seal(self, user: str) -> str:
        """A text that changes with the user's password; empty if there is no such user."""
        ...


class FilePasswords:
    """The passwords of a file, as it is now."""

    def __init__(self, file: Watched[Users], threads: Threads) -> None:
        self._file = file
        self._htpasswd = Htpasswd("", file, Everyone(), threads)

    async def verify(self, user: str, password: str) -> bool:
        return await self._htpasswd.verify(user, password)

    def seal(self, user: str) -> str:
        """Nothing is learned from it of the hash, which is long and random itself."""
        self._file.look()
        hashed = self._file.value.hashes.get(user)
        if hashed is None:
            return ""
        sealed = hashlib.sha256(b"entrepot refresh token\n" + hashed).digest()
        return base64.urlsafe_b64encode(sealed[:16]).rstrip(b"=").decode()


@asynccontextmanager
async def open_passwords(path: str) -> AsyncGenerator[FilePasswords, None]:
    """Raises ConfigurationError: if the file cannot be read."""
    try:
        file = Watched(_KEY, path, users.parse, users.unfinished)
    except FileNotFoundError:
        remedy = f"make it with `entrepot auth hash USER > {path}`"
        raise ConfigurationError(f"{_KEY}: there is no file {path}; {remedy}") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigurationError(f"{_KEY}: {path} cannot be read: {reason}") from None
    threads = Threads(max(1, (os.cpu_count() or 1) // 2), "bcrypt")
    try:
        yield FilePasswords(file, threads)
    finally:
        threads.close()
