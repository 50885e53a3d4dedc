"""Names and passwords, checked against a file."""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import bcrypt

from entrepot.core.access import (
    ANONYMOUS,
    Access,
    Asking,
    Authenticator,
    BusyError,
    DeniedError,
    Identity,
    Rights,
)
from entrepot.core.errors import ConfigurationError
from entrepot.core.threads import Call, Threads
from entrepot.server.authentication import challenges, users
from entrepot.server.authentication.headers import Credentials, basic_credentials
from entrepot.server.authentication.options import HtpasswdOptions
from entrepot.server.authentication.users import Users
from entrepot.server.authentication.verified import Verified
from entrepot.server.authentication.watching import Watched

KEPT = 60.0
"""Seconds in which a password that was right is not hashed again."""

_KEY = "auth.htpasswd.path"
_MOST_KEPT = 4096
_BETWEEN_LOOKS = 0.002  # seconds; each look hands the interpreter to other threads
_MOST_WAITING = 64  # passwords that are hashed or wait for it
_RETRY_AFTER = 2.0  # seconds
_LONGEST = 72  # bytes of a password that bcrypt looks at
_LOG = logging.getLogger("entrepot.server.authentication")


class Htpasswd(Authenticator):
    """Lets in who has a name and a password of the file, as far as `rights` go."""

    def __init__(self, realm: str, file: Watched[Users], rights: Rights, threads: Threads) -> None:
        self._realm = realm
        self._file = file
        self._rights = rights
        self._threads = threads
        self._looked = -math.inf
        self._verified: Verified[float] = Verified(_MOST_KEPT)
        self._recent: Verified[Identity] = Verified(_MOST_KEPT)
        self._running: dict[bytes, Call[bool]] = {}

    def recall(self, authorization: str, wanted: Sequence[Access]) -> Identity | None:
        now = time.monotonic()
        self._look_at_times(now)
        identity = self._recent.get(self._recent.key(authorization.encode()), now)
        if identity is None:
            return None
        for access in wanted:
            if not self._rights.allows(identity, access):
                return None
        return identity

    async def authorize(self, asking: Asking, wanted: Sequence[Access]) -> Identity:
        header = asking.authorization
        given = basic_credentials(header) if header is not None else Credentials("", "")
        if given is None:
            raise challenges.basic(self._realm)
        if not given.user and not given.password:
            return self._admit_nobody(wanted)
        until = await self._right_until(given)
        if not until:
            raise challenges.basic(self._realm)
        identity = Identity(given.user)
        if header is not None:
            self._recent.put(self._recent.key(header.encode()), identity, until)
        for access in wanted:
            if not self._rights.allows(identity, access):
                raise DeniedError("requested access to the resource is denied")
        return identity

    def _admit_nobody(self, wanted: Sequence[Access]) -> Identity:
        """A client that asks for nothing wants to know whether it has to say who it is."""
        if wanted and all(self._rights.allows(ANONYMOUS, access) for access in wanted):
            return ANONYMOUS
        raise challenges.basic(self._realm)

    async def verify(self, user: str, password: str) -> bool:
        """Whether this is the user's password; takes as long for a user that there is not.

        Raises BusyError: if too many others wait.
        """
        return await self._right_until(Credentials(user, password)) > 0

    def _look_at_times(self, now: float) -> None:
        if now - self._looked >= _BETWEEN_LOOKS:
            self._looked = now
            self._look()

    def _look(self) -> bool:
        """Whether there are other users now."""
        changed = self._file.look()
        if changed:
            self._recent.clear()
        return changed

    async def _right_until(self, given: Credentials) -> float:
        """Until when the password need not be hashed again, if it is right; 0 if it is wrong."""
        now = time.monotonic()
        self._look_at_times(now)
        known = self._file.value.hashes.get(given.user)
        hashed = known or self._file.value.nobody
        password = given.password.encode()[:_LONGEST]  # as Go's bcrypt, and Apache's, have it
        key = self._verified.key(b"%b%b:%b" % (hashed, given.user.encode(), password))
        until = self._verified.get(key, now)
        if until is not None:
            return until
        if self._look():
            return await self._right_until(given)
        if await self._hashing(key, password, hashed) and known is not None:
            until = time.monotonic() + KEPT
            self._verified.put(key, until, until)
            return until
        name = repr(given.user[:64]) if known else "somebody the file does not name"
        _LOG.info("wrong user name or password: %s", name)
        return 0.0

    def _hashing(self, key: bytes, password: bytes, hashed: bytes) -> Call[bool]:
        """The check, begun unless one of the same is under way.

        Raises BusyError: if too many others wait.
        """
        running = self._running.get(key)
        if running is None:
            if len(self._running) >= _MOST_WAITING:
                raise BusyError("too many passwords are being checked", retry_after=_RETRY_AFTER)
            running = self._running[key] = self._threads.start(_matches, password, hashed)
            running.add_done_callback(lambda _: self._running.pop(key))
        return running


def _matches(password: bytes, hashed: bytes) -> bool:
    """Blocks for what the hash costs, without the interpreter's lock."""
    return bcrypt.checkpw(password, hashed)


@asynccontextmanager
async def opened(options: HtpasswdOptions, rights: Rights) -> AsyncGenerator[Authenticator, None]:
    """Raises ConfigurationError: if the file cannot be read."""
    file = _watched(options.path)
    threads = Threads(max(1, (os.cpu_count() or 1) // 2), "bcrypt")
    try:
        yield Htpasswd(options.realm, file, rights, threads)
    finally:
        threads.close()


def _watched(path: str) -> Watched[Users]:
    try:
        return Watched(_KEY, path, users.parse, users.unfinished)
    except FileNotFoundError:
        remedy = f"make it with `entrepot auth hash USER >> {path}`"
        raise ConfigurationError(f"{_KEY}: there is no file {path}; {remedy}") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigurationError(f"{_KEY}: {path} cannot be read: {reason}") from None
