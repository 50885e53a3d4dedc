"""URLs that CloudFront takes, signed with a canned policy.

Source: CloudFront Developer Guide, "Create a signed URL using a canned policy".
"""

from __future__ import annotations

import base64
import json
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from entrepot.core import AccessError

_SAFE = bytes.maketrans(b"+=/", b"-_~")  # CloudFront's own base64
_LARGEST = 64 * 1024  # bytes of a key file


class Signer:
    """Signs for the key pair that CloudFront knows as `pair`. A signature takes about 1 ms."""

    def __init__(self, key: RSAPrivateKey, pair: str) -> None:
        self._key = key
        self._pair = pair

    def sign(self, url: str, expires: int) -> str:
        """A URL without a query, made good until `expires`, in seconds since the epoch."""
        until = {"DateLessThan": {"AWS:EpochTime": expires}}
        policy = {"Statement": [{"Resource": url, "Condition": until}]}
        text = json.dumps(policy, separators=(",", ":"))
        signature = self._key.sign(text.encode(), PKCS1v15(), hashes.SHA1())  # noqa: S303 - what CloudFront verifies
        encoded = base64.b64encode(signature).translate(_SAFE).decode()
        return f"{url}?Expires={expires}&Signature={encoded}&Key-Pair-Id={self._pair}"


def read_signer(path: str, pair: str) -> Signer:
    """A signer whose key has been tried. Blocks.

    Raises AccessError: if the file is not readable or holds no key that CloudFront takes.
    """
    signer = Signer(_read_key(path), pair)
    try:
        signer.sign("https://tried.invalid/", 0)
    except UnsupportedAlgorithm as error:
        raise AccessError(
            "", f"SHA-1, which CloudFront wants, is forbidden here: {error}"
        ) from error
    return signer


def _read_key(path: str) -> RSAPrivateKey:
    try:
        with Path(path).open("rb") as file:
            content = file.read(_LARGEST)
    except OSError as error:
        raise AccessError("", f"cannot read the private key {path}: {error.strerror}") from error
    try:
        key = load_pem_private_key(content, None)
    except TypeError as error:
        raise AccessError("", f"the private key {path} has a password; remove it") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise AccessError("", f"{path} is not a private key in PEM form") from error
    if not isinstance(key, RSAPrivateKey):
        raise AccessError("", f"the private key {path} is not an RSA key; make one of 2048 bits")
    return key
