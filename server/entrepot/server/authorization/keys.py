"""Keys that sign tokens: P-256, as PEM files. Sources: RFC 7518 (ES256), RFC 7638."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from entrepot.core.errors import ConfigurationError
from entrepot.server.authentication.identifiers import thumbprint
from entrepot.server.authentication.keys import Key, Keys

ALGORITHM = "ES256"

PrivateKey: TypeAlias = ec.EllipticCurvePrivateKey
PublicKey: TypeAlias = ec.EllipticCurvePublicKey

_LOG = logging.getLogger("entrepot.server.authorization")
_LARGEST = 64 * 1024  # bytes of a file


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """`private` signs under the name `kid`; `trusted` verify.

    `are_shared`: other processes, and this one after a restart, have them, too.
    """

    kid: str
    private: PrivateKey = field(repr=False)
    trusted: Keys = field(repr=False)
    are_shared: bool

    @classmethod
    def of(
        cls, private: PrivateKey, others: Sequence[PublicKey] = (), *, are_shared: bool
    ) -> SigningKeys:
        public = [private.public_key(), *others]
        by_id = {thumbprint(key): Key(key, frozenset({ALGORITHM})) for key in public}
        return cls(thumbprint(public[0]), private, Keys(by_id), are_shared)


def read_keys(paths: Sequence[str]) -> SigningKeys:
    """The keys of files; the first has to be private, the others need not be.

    Raises ConfigurationError: with a line for each file that cannot be used.
    """
    mistakes: list[str] = []
    found: list[PrivateKey | PublicKey] = []
    for index, path in enumerate(paths):
        try:
            found.append(_read(path, is_signing=index == 0))
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            mistakes.append(f"auth.entrepot.keys.{index}: {path}: {reason}")
    if mistakes:
        raise ConfigurationError(*mistakes)
    private, *others = found
    assert isinstance(private, PrivateKey)
    return SigningKeys.of(private, [_public(key) for key in others], are_shared=True)


def generated_keys() -> SigningKeys:
    """A key of this process alone."""
    return SigningKeys.of(ec.generate_private_key(ec.SECP256R1()), are_shared=False)


def write_key(path: str) -> str:
    """Make a key and write it into a new file that only its owner may read; returns its name.

    Raises OSError: if there is a file already, or it cannot be written.
    """
    private = ec.generate_private_key(ec.SECP256R1())
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as file:
        file.write(pem)
    return thumbprint(private.public_key())


def _public(key: PrivateKey | PublicKey) -> PublicKey:
    return key.public_key() if isinstance(key, PrivateKey) else key


def _read(path: str, *, is_signing: bool) -> PrivateKey | PublicKey:
    with open(path, "rb") as file:
        content = file.read(_LARGEST)
        mode = os.fstat(file.fileno()).st_mode
    key = _parsed(content)
    if isinstance(key, PrivateKey):
        if mode & stat.S_IROTH:
            _LOG.warning("auth.entrepot.keys: everybody on this machine can read %s", path)
    elif is_signing:
        raise ValueError("a public key cannot sign; put the private one first")
    return key


def _parsed(content: bytes) -> PrivateKey | PublicKey:
    wanted = "no P-256 key as PEM without a password; make one with `entrepot auth key PATH`"
    try:
        if b"PRIVATE KEY" in content:
            key: object = serialization.load_pem_private_key(content, None)
        else:
            key = serialization.load_pem_public_key(content)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError(wanted) from None
    if isinstance(key, PrivateKey | PublicKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    raise ValueError(wanted)
