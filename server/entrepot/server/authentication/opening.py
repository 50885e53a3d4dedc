"""The authenticator of a configuration."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

from entrepot.core.access import Authenticator, Rights
from entrepot.core.configuration import Configuration, plugged_options
from entrepot.core.errors import PluginError, RegistryError
from entrepot.core.plugins import OfferedAuthenticator, Plugins


def authenticator_of(configuration: Configuration, plugins: Plugins) -> OfferedAuthenticator | None:
    """What `auth` names; None: nobody is asked for anything.

    Raises ConfigurationError: if it is not installed.
    """
    method = configuration.auth.method
    return None if method == "none" else plugins.authenticator(method)


@asynccontextmanager
async def open_authenticator(
    configuration: Configuration, plugins: Plugins, rights: Rights
) -> AsyncGenerator[Authenticator | None, None]:
    """The authenticator that `auth` names, open; None: nobody is asked for anything.

    Raises ConfigurationError: with every mistake in its section.
    """
    found = authenticator_of(configuration, plugins)
    if found is None:
        yield None
        return
    auth = configuration.auth
    options = plugged_options(auth.written, found.options, ("auth", auth.method))
    async with AsyncExitStack() as stack:
        try:
            opened = await stack.enter_async_context(found.open(options, rights))
        except RegistryError:
            raise
        except Exception as error:  # a stranger's code: whatever it raises is its problem
            reason = f"the authenticator {found.name!r} failed to open: {error}"
            raise PluginError(found.plugin, reason) from error
        yield opened
