"""Certificates and keys read from files, and whether they fit together."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from entrepot.core.configuration import Tls
from entrepot.core.errors import ConfigurationError
from entrepot.server.servers.material import Material

_KEY = re.compile(rb"-----BEGIN ([A-Z0-9 ]*PRIVATE KEY)-----.*?-----END \1-----\s*", re.DOTALL)
_RSA_BITS = 2048  # neither server takes shorter keys
_MOST = 8 * 1024 * 1024  # bytes of a file; a bundle of all the world's authorities has 200 KiB


def read_material(tls: Tls) -> Material:
    """What the files of `http.tls` hold now.

    Raises ConfigurationError: a line for each file that cannot be used.
    """
    mistakes: list[str] = []
    chain = _tried(mistakes, "http.tls.certificate", tls.certificate, _chain)
    key = _tried(mistakes, "http.tls.key", tls.key, _key)
    authorities = [
        _tried(mistakes, f"http.tls.clientcas[{number}]", path, _chain)
        for number, path in enumerate(tls.clientcas)
    ]
    if chain and key and (reason := _unfit(chain, key[1])):
        mistakes.append(f"http.tls.key: {tls.key} {reason}")
    if mistakes or not chain or not key:
        raise ConfigurationError(*mistakes)
    return Material(
        _pem(chain),
        key[0],
        b"".join(_pem(one) for one in authorities if one),
        chain[0].subject.rfc4514_string(),
        chain[0].not_valid_before_utc,
        chain[0].not_valid_after_utc,
        _is_everywhere(key[1]),
    )


class _UnusableError(Exception):
    """Why a file cannot be used."""


_T = TypeVar("_T")


def _tried(mistakes: list[str], name: str, path: str, parse: Callable[[bytes], _T]) -> _T | None:
    """What a file holds; None, and a mistake more, if it cannot be used."""
    if not path:
        mistakes.append(f"{name}: missing; give the path of a PEM file")
        return None
    try:
        with open(path, "rb") as file:
            return parse(file.read(_MOST))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no path"
        mistakes.append(f"{name}: cannot read {path}: {reason}")
    except _UnusableError as error:
        mistakes.append(f"{name}: {path} {error}")
    return None


def _chain(content: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(content)
    except ValueError:
        if b"-----BEGIN CERTIFICATE-----" in content:
            raise _UnusableError("holds a damaged certificate") from None
        raise _UnusableError("holds no certificate; PEM is wanted") from None


def _key(content: bytes) -> tuple[bytes, PrivateKeyTypes]:
    """The first private key of a file, which may hold parameters or certificates, too."""
    found = _KEY.search(content)
    if found is None:
        raise _UnusableError("holds no private key; PEM is wanted")
    try:
        return found[0], load_pem_private_key(found[0], None)
    except TypeError:
        raise _UnusableError(
            "is encrypted; write it without a passphrase: openssl pkey -in OLD -out NEW"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise _UnusableError("holds a damaged key, or one of an unknown kind") from None


def _unfit(chain: Sequence[x509.Certificate], key: PrivateKeyTypes) -> str:
    """Why a key cannot serve the chain's first certificate; empty: it can."""
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size < _RSA_BITS:
        return f"is an RSA key of {key.key_size} bits; at least {_RSA_BITS} are wanted"
    own = _public(key.public_key())
    fitting = [number for number, one in enumerate(chain) if _public(one.public_key()) == own]
    if not fitting:
        return "is not the key of http.tls.certificate"
    if fitting[0]:
        return "belongs to a later certificate of http.tls.certificate; its own must come first"
    return ""


def _public(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _pem(chain: Sequence[x509.Certificate]) -> bytes:
    return b"".join(one.public_bytes(Encoding.PEM) for one in chain)


def _is_everywhere(key: PrivateKeyTypes) -> bool:
    """Whether rustls can sign with it; it ends the process if not."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return isinstance(key.curve, ec.SECP256R1 | ec.SECP384R1)
    return isinstance(key, rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey)
