"""The names that signing keys have in tokens, as old and new token servers make them."""

from __future__ import annotations

import base64
import hashlib
import json

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

PublicKey = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey

_CURVES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}


def identifiers(key: PublicKey) -> set[str]:
    """All that a token's `kid` may be for this key: RFC 7638 and libtrust's."""
    if isinstance(key, EllipticCurvePublicKey):
        # Distribution 3 leaves out leading zeros of coordinates, and so do tokens made for it.
        members = [_curve(key, padded=True), _curve(key, padded=False)]
    elif isinstance(key, RSAPublicKey):
        numbers = key.public_numbers()
        members = [{"e": _number(numbers.e), "kty": "RSA", "n": _number(numbers.n)}]
    else:
        raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
        members = [{"crv": "Ed25519", "kty": "OKP", "x": _encoded(raw)}]
    return {_thumbprint(each) for each in members} | {_libtrust(key)}


def thumbprint(key: EllipticCurvePublicKey) -> str:
    """A key's name by RFC 7638."""
    return _thumbprint(_curve(key, padded=True))


def _thumbprint(members: dict[str, str]) -> str:
    """Source: RFC 7638."""
    document = json.dumps(members, separators=(",", ":"), sort_keys=True)
    return _encoded(hashlib.sha256(document.encode()).digest())


def _libtrust(key: PublicKey) -> str:
    """`ABCD:EFGH:…`, as Docker's libtrust and so Distribution 2 call a key."""
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    text = base64.b32encode(hashlib.sha256(der).digest()[:30]).decode()
    return ":".join(text[at : at + 4] for at in range(0, len(text), 4))


def _curve(key: EllipticCurvePublicKey, *, padded: bool) -> dict[str, str]:
    numbers = key.public_numbers()
    size = (key.curve.key_size + 7) // 8 if padded else 0
    x, y = _number(numbers.x, size), _number(numbers.y, size)
    return {"crv": _CURVES.get(key.curve.name, key.curve.name), "kty": "EC", "x": x, "y": y}


def _number(value: int, size: int = 0) -> str:
    return _encoded(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
