"""The keys that tokens may be signed with, from a bundle of certificates and a JWKS."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from cryptography.hazmat.primitives.asymmetric.ec import (
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.x509 import Certificate, load_pem_x509_certificates
from jwt.algorithms import ECAlgorithm, HMACAlgorithm, OKPAlgorithm, RSAAlgorithm
from jwt.exceptions import PyJWTError
from pydantic import BaseModel, ValidationError

from entrepot.server.authentication.identifiers import PublicKey, identifiers

Material: TypeAlias = PublicKey | bytes

_LOG = logging.getLogger("entrepot.server.authentication")
_RSA = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
_CURVES = {
    "secp256r1": frozenset({"ES256"}),
    "secp384r1": frozenset({"ES384"}),
    "secp521r1": frozenset({"ES512"}),
}
_HMAC = {"HS256": 32, "HS384": 48, "HS512": 64}  # bytes of a key at least, RFC 7518 section 3.2
_SHORTEST_RSA = 1024  # bits, as Go's library has it
_READERS: Mapping[str, Callable[[dict[str, Any]], object]] = {
    "RSA": RSAAlgorithm.from_jwk,
    "EC": ECAlgorithm.from_jwk,
    "OKP": OKPAlgorithm.from_jwk,
    "oct": HMACAlgorithm.from_jwk,
}
_BEGIN, _END = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"


@dataclass(frozen=True, slots=True)
class Key:
    """A key and all the algorithms it may be used with: its kind decides, never a token."""

    material: Material = field(repr=False)
    algorithms: frozenset[str]


@dataclass(frozen=True, slots=True)
class Keys:
    """Trusted keys by every `kid` they may have, and authorities that vouch for others."""

    by_id: Mapping[str, Key] = field(default_factory=dict[str, Key])
    authorities: Sequence[Certificate] = ()


class _KeySet(BaseModel):
    keys: list[dict[str, Any]]


def key_of(material: object) -> Key | None:
    """A public key, or a secret, as a key; None if it is of no use for tokens."""
    algorithms: frozenset[str] = frozenset()
    if isinstance(material, RSAPublicKey):
        algorithms = _RSA if material.key_size >= _SHORTEST_RSA else algorithms
    elif isinstance(material, EllipticCurvePublicKey):
        algorithms = _CURVES.get(material.curve.name, algorithms)
    elif isinstance(material, Ed25519PublicKey):
        algorithms = frozenset({"EdDSA"})
    elif isinstance(material, bytes):
        algorithms = frozenset(name for name, size in _HMAC.items() if len(material) >= size)
    else:
        return None
    return Key(material, algorithms) if algorithms else None


def parse_bundle(content: bytes) -> Keys:
    """Certificates in PEM, each of them an authority, and its key one that may sign itself.

    Raises ValueError: if one of them is damaged, or there is none.
    """
    if content.count(_BEGIN) != content.count(_END):
        raise ValueError("a certificate has no end")
    certificates = load_pem_x509_certificates(content)
    by_id: dict[str, Key] = {}
    for number, certificate in enumerate(certificates, 1):
        key = key_of(certificate.public_key())
        if key is None:
            _LOG.warning("rootcertbundle: certificate %d has a key of a kind not known", number)
        else:
            by_id.update(_named(key))
    return Keys(by_id, tuple(certificates))


def parse_jwks(content: bytes) -> Keys:
    """A JSON Web Key Set. Source: RFC 7517 section 5.

    Raises ValueError: if it is none, or has no key that can be used.
    """
    try:
        listed = _KeySet.model_validate_json(content).keys
    except ValidationError:
        raise ValueError("it is no JSON Web Key Set") from None
    by_id: dict[str, Key] = {}
    for number, each in enumerate(listed, 1):
        key = jwk(each)
        if key is None:
            _LOG.warning("jwks: key %d is of a kind not known, or too short", number)
            continue
        by_id.update(_named(key))
        name = each.get("kid")
        if isinstance(name, str) and name:
            by_id[name] = key
    if not by_id:
        raise ValueError("it has no key that can be used")
    return Keys(by_id)


def jwk(given: dict[str, Any]) -> Key | None:
    """A JSON Web Key, of a pair the public one; None if it is damaged or of no use.

    Source: RFC 7517 section 4.
    """
    kind = given.get("kty")
    if not isinstance(kind, str) or kind not in _READERS or given.get("use", "sig") != "sig":
        return None
    try:
        material = _READERS[kind](given)
    except (PyJWTError, ValueError, TypeError, KeyError, AttributeError):
        return None
    if isinstance(material, RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey):
        material = material.public_key()
    key = key_of(material)
    if key is None or "alg" not in given:
        return key
    algorithms = frozenset(each for each in key.algorithms if each == given["alg"])
    return Key(key.material, algorithms) if algorithms else None


def _named(key: Key) -> dict[str, Key]:
    if isinstance(key.material, bytes):
        return {}  # what is derived from a secret would tell something of it
    return dict.fromkeys(identifiers(key.material), key)
