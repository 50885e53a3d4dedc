"""The contract of who is asked for certificates, and how asking fails."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import datetime

from entrepot.core.errors import RegistryError
from entrepot.server.acme.certificate import Certificate


class AuthorityError(RegistryError):
    """No certificate was given; the message says why, in one line.

    `is_refusal`: the authority answered and does not want to; else asking again may help.
    """

    def __init__(self, message: str, *, is_refusal: bool = False) -> None:
        super().__init__(message)
        self.is_refusal = is_refusal


class Asking(ABC):
    """A way to get certificates. Its methods block."""

    @abstractmethod
    def obtain(self, seconds: float) -> Certificate:
        """A new certificate, stored in the cache when it returns.

        Raises AuthorityError: also if it takes longer; OSError: the cache cannot be written to.
        """

    @abstractmethod
    def suggestion(self, certificate: Certificate) -> datetime | None:
        """When the authority would like it to be renewed; None: it does not say.

        Raises AuthorityError: it cannot be asked.
        Source: RFC 9773, "Renewal Information".
        """
