"""URLs at which clients get blobs from the backend itself, past the registry."""

from __future__ import annotations

import logging

from entrepot.core import layout
from entrepot.core.driver import Driver
from entrepot.core.errors import StorageError
from entrepot.core.names import Digest

SECONDS = 20 * 60
"""For how long a URL is good: time for a slow client to come, as long as Distribution's."""

_LOG = logging.getLogger(__name__)


class Redirects:
    """The driver's links to blobs, where `storage.redirect` allows them.

    None is kept: to sign one takes some ten microseconds, and a driver that has to ask a
    service for it knows better how long it lasts.
    """

    def __init__(self, driver: Driver, *, enabled: bool) -> None:
        self._driver = driver
        self._enabled = enabled
        self._failing = False

    async def find(self, stored: Digest) -> str | None:
        """Where a client gets a blob's bytes; None: stream them.

        A driver that fails to make a link is no reason to fail a pull. It is logged once
        until it works again.
        """
        if not self._enabled:
            return None
        try:
            url = await self._driver.link(layout.blob(stored), "GET", SECONDS)
        except StorageError as error:
            if not self._failing:
                _LOG.warning("no links to blobs can be made, they are streamed: %s", error)
            self._failing = True
            return None
        self._failing = False
        return url
