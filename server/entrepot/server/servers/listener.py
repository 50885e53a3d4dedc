"""The contract of what takes connections: one of two servers, with or without TLS."""

from __future__ import annotations

from abc import ABC, abstractmethod

from entrepot.server.servers.material import Material


class Listener(ABC):
    """Answers on one socket from `start` until `stop`."""

    @abstractmethod
    async def start(self) -> None:
        """Take connections from now on."""

    @abstractmethod
    async def renew(self, material: Material) -> None:
        """Show another certificate to whoever connects from now on; nobody is cut off."""

    @abstractmethod
    async def stop(self, seconds: float) -> None:
        """Close the socket, let requests finish for so long, break off the others."""

    @abstractmethod
    async def wait(self) -> None:
        """Return when it has ended, also if nobody told it to."""
