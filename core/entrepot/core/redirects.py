"""URLs at which clients get blobs from the backend itself, past the registry."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from entrepot.core import layout
from entrepot.core.driver import Driver
from entrepot.core.errors import StorageError
from entrepot.core.names import Digest
from entrepot.core.networks import Address, Network, is_in

SECONDS = 20 * 60
"""For how long a URL is good: time for a slow client to come, as long as Distribution's."""

_LOG = logging.getLogger(__name__)
_CLIENT: ContextVar[Address | None] = ContextVar("client", default=None)


def link_client() -> Address | None:
    """The address of the client for which a link is being made; None: nobody knows it.

    For the `link` of a driver or a middleware, whose URLs may depend on it. An IPv4 address
    is one whichever way the client came.
    """
    return _CLIENT.get()


@contextmanager
def linking_for(client: Address | None) -> Generator[None, None, None]:
    """Whom `link_client` names."""
    token = _CLIENT.set(client)
    try:
        yield
    finally:
        _CLIENT.reset(token)


@dataclass(frozen=True, slots=True)
class Redirected:
    """The clients that are sent to the backend: those in `networks`, or all without any, but
    for those in `exceptions`.
    """

    networks: tuple[Network, ...] = ()
    exceptions: tuple[Network, ...] = ()

    def includes(self, client: Address | None) -> bool:
        """Where it matters, a client whose address is unknown is not sent anywhere."""
        if not self.networks and not self.exceptions:
            return True
        if client is None or is_in(client, self.exceptions):
            return False
        return not self.networks or is_in(client, self.networks)


ALL_CLIENTS = Redirected()


class Redirects:
    """The driver's links to blobs, where `storage.redirect` allows them.

    None is kept: to sign one takes some ten microseconds, and a driver that has to ask a
    service for it knows better how long it lasts.
    """

    def __init__(self, driver: Driver, redirected: Redirected | None = ALL_CLIENTS) -> None:
        self._driver = driver
        self._redirected = redirected
        self._failing = False

    async def find(self, stored: Digest, client: Address | None = None) -> str | None:
        """Where this client gets a blob's bytes; None: stream them.

        A driver that fails to make a link is no reason to fail a pull. It is logged once
        until it works again.
        """
        if self._redirected is None or not self._redirected.includes(client):
            return None
        try:
            with linking_for(client):
                url = await self._driver.link(layout.blob(stored), "GET", SECONDS)
        except StorageError as error:
            if not self._failing:
                _LOG.warning("no links to blobs can be made, they are streamed: %s", error)
            self._failing = True
            return None
        self._failing = False
        return url
