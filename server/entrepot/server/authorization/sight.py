"""What of the catalogue a client gets to see: the repositories that it may pull."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from entrepot.core.access import Access, Identity
from entrepot.core.errors import UnsupportedError
from entrepot.core.registry import Registry
from entrepot.server.authorization.rights import PolicyRights

MOST_HIDDEN = 100_000
"""Repositories passed over in one request, each for two listings of the store."""


async def visible(
    registry: Registry, rights: PolicyRights, identity: Identity, after: str
) -> AsyncGenerator[str, None]:
    """Names past `after` of repositories that a client may pull, in the catalogue's order.

    Folders in which there can be none are not entered.

    Raises UnsupportedError: if there are more than MOST_HIDDEN others among them.
    """
    policy = rights.policy
    hidden = 0

    def enters(folder: str) -> bool:
        return policy.enters(identity, folder)

    async with aclosing(registry.repositories(after, enters)) as names:
        async for name in names:
            if policy.allows(identity, Access("repository", name, "pull")):
                yield name
            elif (hidden := hidden + 1) > MOST_HIDDEN:
                raise UnsupportedError("too few of the repositories here are yours to list them")
