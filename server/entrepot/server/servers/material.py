"""What TLS is spoken with."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

_SOON = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Material:
    """PEM texts that fit together.

    `everywhere`: every server of ours can work with such a key; else only OpenSSL.
    """

    chain: bytes
    key: bytes = field(repr=False)
    authorities: bytes
    subject: str
    begins: datetime
    ends: datetime
    everywhere: bool

    def warning(self, now: datetime) -> str:
        """What is wrong with the time of validity, or will be soon; else empty."""
        if now > self.ends:
            return f"expired on {self.ends:%Y-%m-%d %H:%M} UTC; clients refuse it"
        if now < self.begins:
            return f"not valid before {self.begins:%Y-%m-%d %H:%M} UTC; clients refuse it"
        if now > self.ends - _SOON:
            return f"expires in {(self.ends - now).days} days, on {self.ends:%Y-%m-%d %H:%M} UTC"
        return ""
