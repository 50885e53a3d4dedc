"""An authority of our own, and the certificates that it signs."""

from __future__ import annotations

import os
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

__all__ = ["Authority", "Pair", "place"]

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: Key

    @property
    def chain(self) -> bytes:
        """The certificate, PEM."""
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def fingerprint(self) -> bytes:
        """SHA-256 of the certificate."""
        return self.certificate.fingerprint(SHA256())

    def key_text(self, form: PrivateFormat = PrivateFormat.PKCS8, passphrase: bytes = b"") -> bytes:
        """The key, PEM."""
        hiding = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
        return self.key.private_bytes(Encoding.PEM, form, hiding)

    def write(self, folder: Path, name: str) -> tuple[Path, Path]:
        """Put both into files, each of which is replaced whole."""
        paths = folder / f"{name}.crt", folder / f"{name}.key"
        place(paths[0], self.chain)
        place(paths[1], self.key_text())
        return paths


def place(path: Path, content: bytes) -> None:
    """Replace a file in one moment."""
    new = path.with_name(path.name + ".new")
    new.write_bytes(content)
    os.replace(new, path)


class Authority:
    """Signs certificates; `certificate` is its own."""

    def __init__(self, name: str = "test authority") -> None:
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.key = ec.generate_private_key(ec.SECP256R1())
        built = self._builder(self.name, self.key, -DAY, 30 * DAY)
        built = built.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.certificate = built.sign(self.key, SHA256())

    @property
    def pem(self) -> bytes:
        """The certificate, PEM."""
        return self.certificate.public_bytes(Encoding.PEM)

    def write(self, path: Path) -> Path:
        """Put the certificate into a file."""
        place(path, self.pem)
        return path

    def context(self, *, client: tuple[Path, Path] | None = None) -> ssl.SSLContext:
        """What a client needs that trusts this authority alone, and has a certificate itself."""
        context = ssl.create_default_context(cadata=self.pem.decode())
        if client is not None:
            context.load_cert_chain(*client)
        return context

    def sign(
        self,
        name: str = "registry",
        *,
        names: Sequence[str] = ("localhost", "127.0.0.1"),
        key: Key | None = None,
        begins: timedelta = -DAY,
        ends: timedelta = 30 * DAY,
    ) -> Pair:
        """A certificate for a server or a client; times are counted from now."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        built = self._builder(subject, key, begins, ends)
        alternatives = x509.SubjectAlternativeName([_general(one) for one in names])
        if names:
            built = built.add_extension(alternatives, critical=False)
        return Pair(built.sign(self.key, SHA256()), key)

    def _builder(
        self, subject: x509.Name, key: Key, begins: timedelta, ends: timedelta
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + begins)
            .not_valid_after(now + ends)
        )


def _general(name: str) -> x509.GeneralName:
    if "@" in name:
        return x509.RFC822Name(name)
    if "://" in name:
        return x509.UniformResourceIdentifier(name)
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
