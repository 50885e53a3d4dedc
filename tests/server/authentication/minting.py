"""Keys, certificates and tokens as a token server makes them, and as nobody should."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import Certificate, CertificateBuilder, Extension, ExtensionType
from cryptography.x509.oid import NameOID
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm, get_default_algorithms

__all__ = [
    "ISSUER",
    "SERVICE",
    "Authority",
    "access",
    "claims",
    "encoded",
    "minted",
    "new_key",
    "pem",
    "public_jwk",
    "public_pem",
    "shape",
]

ISSUER, SERVICE = "tokens.test", "registry.test"
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

_CURVES = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}


def new_key(algorithm: str = "ES256") -> PrivateKey:
    """A key to sign with that algorithm."""
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    if algorithm in _CURVES:
        return ec.generate_private_key(_CURVES[algorithm])
    return rsa.generate_private_key(65537, 2048)


def access(name: str = "a/b", *actions: str, kind: str = "repository") -> dict[str, Any]:
    return {"type": kind, "name": name, "actions": list(actions or ("pull",))}


def claims(**changes: Any) -> dict[str, Any]:
    """Good claims, with changes; one that is ... is left out."""
    now = int(time.time())
    good = {
        "iss": ISSUER,
        "sub": "alice",
        "aud": SERVICE,
        "exp": now + 300,
        "nbf": now - 10,
        "iat": now,
        "jti": "1",
        "access": [access()],
    }
    return {name: value for name, value in (good | changes).items() if value is not ...}


def encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def minted(
    key: Any, algorithm: str, header: Mapping[str, Any], payload: Mapping[str, Any] | bytes
) -> str:
    """A token signed just so, with nothing checked or added; `key` bytes sign with HMAC."""
    head = encoded(json.dumps({"alg": algorithm, "typ": "JWT"} | dict(header)).encode())
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    signing_input = f"{head}.{encoded(body)}"
    method = get_default_algorithms()[algorithm]
    signature = b"" if key is None else method.sign(signing_input.encode(), key)
    return f"{signing_input}.{encoded(signature)}"


def public_pem(key: PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def public_jwk(key: PrivateKey, **more: Any) -> dict[str, Any]:
    methods: dict[type, Any] = {
        rsa.RSAPrivateKey: RSAAlgorithm,
        ec.EllipticCurvePrivateKey: ECAlgorithm,
        ed25519.Ed25519PrivateKey: OKPAlgorithm,
    }
    method = next(each for kind, each in methods.items() if isinstance(key, kind))
    return dict(method.to_jwk(key.public_key(), as_dict=True)) | more


def pem(*certificates: Certificate) -> bytes:
    return b"".join(each.public_bytes(Encoding.PEM) for each in certificates)


def shape(certificate: Certificate) -> str:
    """As it stands in an `x5c` header."""
    return base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()


@dataclass
class Authority:
    """A key and its certificate, which it signs itself unless another authority does."""

    name: str
    key: PrivateKey = field(default_factory=new_key)
    by: Authority | None = None
    is_ca: bool | None = True
    path_length: int | None = None
    days: tuple[float, float] = (-1, 1)
    extensions: Sequence[Extension[ExtensionType]] = ()
    digest: hashes.HashAlgorithm = field(default_factory=hashes.SHA256)

    def __post_init__(self) -> None:
        now = datetime.now(UTC)
        issuer = self.by or self
        builder = (
            CertificateBuilder()
            .subject_name(_named(self.name))
            .issuer_name(_named(issuer.name))
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + timedelta(self.days[0]))
            .not_valid_after(now + timedelta(self.days[1]))
        )
        if self.is_ca is not None:
            length = self.path_length if self.is_ca else None
            builder = builder.add_extension(
                x509.BasicConstraints(self.is_ca, length), critical=True
            )
        for each in self.extensions:
            builder = builder.add_extension(each.value, critical=each.critical)
        signer = issuer.key
        edwards = isinstance(signer, ed25519.Ed25519PrivateKey)
        self.certificate = builder.sign(signer, None if edwards else self.digest)  # type: ignore[arg-type]  # SHA-1, too

    def x5c(self, *others: Authority) -> list[str]:
        return [shape(each.certificate) for each in (self, *others)]


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
