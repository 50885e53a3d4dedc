"""The access policy in force, read again when its file changes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from entrepot.core.access import Access, DeniedError, Identity, Rights
from entrepot.core.configuration import Configuration, parse_rules
from entrepot.core.errors import ConfigurationError
from entrepot.core.policy import Policy
from entrepot.server.authentication.watching import Watched

_LOG = logging.getLogger("entrepot.server.authorization")

LOOK = 1.0
"""Seconds between two looks at the policy's file."""


class PolicyRights:
    """Rights by an access policy; `policy` is the one in force."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy

    def allows(self, identity: Identity, access: Access) -> bool:
        return self.policy.allows(identity, access)


@asynccontextmanager
async def open_rights(configuration: Configuration) -> AsyncGenerator[PolicyRights | None, None]:
    """Rights by the access policy of a configuration; None: it has none.

    A policy in a file of its own is replaced within seconds of a change. While that file is
    gone or broken, the policy before stays in force, and the log says so.

    Raises ConfigurationError: with every mistake in the file.
    """
    access = configuration.access
    if not access.file:
        yield PolicyRights(Policy(access)) if access.rules else None
        return
    file = _watched(access.file)
    rights = PolicyRights(file.value)
    following = asyncio.create_task(_follow(file, rights))
    try:
        yield rights
    finally:
        following.cancel()
        await asyncio.wait([following])


def _watched(path: str) -> Watched[Policy]:
    try:
        return Watched("access.file", path, lambda content: _policy(path, content), _unfinished)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigurationError(f"access.file: {path} cannot be read: {reason}") from None
    except ValueError as error:
        raise ConfigurationError(*str(error).split("\n")) from None


def _policy(path: str, content: bytes) -> Policy:
    try:
        return Policy(parse_rules(path, content))
    except ConfigurationError as error:
        raise ValueError("\n".join(error.mistakes)) from None


def _unfinished(content: bytes) -> str:
    return "" if content.strip() else "it is empty"


async def _follow(file: Watched[Policy], rights: PolicyRights) -> None:
    while True:
        await asyncio.sleep(LOOK)
        try:
            if await asyncio.to_thread(file.look):
                rights.policy = file.value
        except Exception:  # whatever it is, the next change of the file may be fine again
            _LOG.exception("access.file: cannot be read; the policy before stays in force")


def check_denied(rights: Rights, identity: Identity, wanted: Sequence[Access]) -> None:
    """Raises DeniedError: if `rights` do not let this client do all that is wanted."""
    for access in wanted:
        if not rights.allows(identity, access):
            who = identity.name[:100] or "somebody without a name"
            raise DeniedError(f"{who} may not {told(access)}")


def told(access: Access) -> str:
    """An access in words."""
    return f"{access.action} {access.name}" if access.type == "repository" else "list repositories"
