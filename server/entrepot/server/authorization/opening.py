"""Everything that decides who may do what, as a configuration wants it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from entrepot.core.access import Authenticator
from entrepot.core.configuration import Configuration
from entrepot.core.plugins import Plugins
from entrepot.server.authentication.everyone import Everyone
from entrepot.server.authentication.opening import open_authenticator
from entrepot.server.authorization.paths import Handler, paths_of
from entrepot.server.authorization.rights import PolicyRights, open_rights
from entrepot.server.authorization.unasked import Unasked


@dataclass(frozen=True, slots=True)
class Authorization:
    """Without an `authenticator`, everybody may do everything; `rights` are a policy's."""

    authenticator: Authenticator | None
    rights: PolicyRights | None

    @property
    def paths(self) -> Mapping[str, Handler]:
        """Paths beside `/v2/` that are answered without asking who it is."""
        return paths_of(self.authenticator)


@asynccontextmanager
async def open_authorization(
    configuration: Configuration, plugins: Plugins
) -> AsyncGenerator[Authorization, None]:
    """Raises ConfigurationError: with every mistake in `auth` or the policy's file."""
    async with AsyncExitStack() as stack:
        rights = await stack.enter_async_context(open_rights(configuration))
        opening = open_authenticator(configuration, plugins, rights or Everyone())
        authenticator = await stack.enter_async_context(opening)
        if authenticator is None and rights is not None:
            authenticator = Unasked(rights)
        yield Authorization(authenticator, rights)
