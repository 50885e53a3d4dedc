"""A certificate as the cache has it: for whom, until when, and when another one is due."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

_KEY_END = b"-----BEGIN CERTIFICATE-----"
_SKEW = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Certificate:
    """`chain` is PEM, the host's own certificate first."""

    chain: bytes
    names: frozenset[str]
    begins: datetime
    ends: datetime

    @classmethod
    def parse(cls, content: bytes) -> Certificate:
        """A private key and the chain after it, PEM. Raises ValueError: it is something else."""
        start = content.find(_KEY_END)
        if start < 0:
            raise ValueError("there is no certificate in it")
        chain = x509.load_pem_x509_certificates(content[start:])
        own = chain[0]
        try:
            key = load_pem_private_key(content[:start], None)
        except TypeError as error:
            raise ValueError(str(error)) from error
        form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        if key.public_key().public_bytes(*form) != own.public_key().public_bytes(*form):
            raise ValueError("the key in it is another certificate's")
        return cls(content[start:], _names(own), own.not_valid_before_utc, own.not_valid_after_utc)

    @property
    def lifetime(self) -> timedelta:
        return self.ends - self.begins

    @property
    def due(self) -> datetime:
        """When the last third of its life begins: 30 days before the end of 90."""
        return self.ends - self.lifetime / 3

    def is_valid(self, now: datetime) -> bool:
        """Whether it is by this machine's clock, which may be slower than the authority's."""
        return self.begins - _SKEW <= now < self.ends

    def covers(self, hosts: Sequence[str]) -> bool:
        return self.names.issuperset(hosts)


def _names(certificate: x509.Certificate) -> frozenset[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return frozenset()
    return frozenset(name.lower() for name in found.value.get_values_for_type(x509.DNSName))
