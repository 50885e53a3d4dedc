"""Signed tokens: taken apart, and their signature checked by a key that is trusted.

Source: RFC 7515, RFC 8725.
"""

from __future__ import annotations

import binascii
import math
import re
from base64 import b64decode, urlsafe_b64decode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509 import Certificate, load_der_x509_certificate
from jwt.algorithms import get_default_algorithms
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from entrepot.server.authentication.chains import LONGEST, vouched_until
from entrepot.server.authentication.claims import InvalidTokenError
from entrepot.server.authentication.identifiers import identifiers
from entrepot.server.authentication.keys import Key, Keys, jwk, key_of

ModelT = TypeVar("ModelT", bound=BaseModel)

_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
_ALGORITHMS = get_default_algorithms()


class _Header(BaseModel):
    """What of a header is looked at."""

    model_config = ConfigDict(strict=True)

    alg: str
    kid: str | None = None
    jwk: dict[str, Any] | None = None
    x5c: Annotated[list[str], Field(min_length=1, max_length=LONGEST)] | None = None
    crit: Any = None


class _Certified(BaseModel):
    """A `jwk` header that brings certificates."""

    x5c: Annotated[list[str], Field(min_length=1, max_length=LONGEST)]


@dataclass(frozen=True, slots=True)
class Signed:
    """A token in its parts; nothing of it is believed yet."""

    header: _Header
    payload: bytes
    signature: bytes
    signing_input: bytes

    @classmethod
    def parse(cls, text: str) -> Signed:
        """Raises InvalidTokenError: if it is no compact serialisation."""
        if not _COMPACT.fullmatch(text):
            raise InvalidTokenError("not three parts of base64url joined by dots")
        header, payload, signature = map(_decoded, text.split("."))
        signing_input = text[: text.rindex(".")].encode()
        return cls(_read(_Header, header), payload, signature, signing_input)

    def verify(self, keys: Keys, algorithms: frozenset[str], moment: float) -> float:
        """Until when its key is good, in seconds since the epoch.

        Raises InvalidTokenError: if no trusted key has signed it with one of `algorithms`.
        """
        algorithm = self.header.alg
        if algorithm not in algorithms:
            raise InvalidTokenError("signed with an algorithm that is not allowed")
        if "crit" in self.header.model_fields_set:
            raise InvalidTokenError("it wants something understood that is not known")
        key, until = _key(self.header, keys, moment)
        if algorithm not in key.algorithms:
            raise InvalidTokenError("signed with an algorithm that its key is not for")
        if not _ALGORITHMS[algorithm].verify(self.signing_input, key.material, self.signature):
            raise InvalidTokenError("its signature is wrong")
        return until


def _read(model: type[ModelT], content: bytes) -> ModelT:
    try:
        return model.model_validate_json(content)
    except ValidationError:
        raise InvalidTokenError("its header is malformed") from None


def _key(header: _Header, keys: Keys, moment: float) -> tuple[Key, float]:
    """The trusted key that a header names, and until when it is good.

    Certificates come first, then a key that is in the header itself, then a key's name.
    """
    if header.x5c is not None:
        return _certified(header.x5c, keys.authorities, moment)
    if header.jwk is not None:
        if "x5c" in header.jwk:
            return _certified(_chain_in(header.jwk), keys.authorities, moment)
        return _shown(header.jwk, keys), math.inf
    name = header.kid or ""
    found = keys.by_id.get(name) or keys.by_id.get(name.rstrip("="))
    if found is None:
        raise InvalidTokenError("signed with a key that is not trusted")
    return found, math.inf


def _shown(given: dict[str, Any], keys: Keys) -> Key:
    """The trusted key that a `jwk` header shows; its own word for it is not enough."""
    key = jwk(given)
    if key is not None and not isinstance(key.material, bytes):
        for name in identifiers(key.material):
            if name in keys.by_id:
                return keys.by_id[name]
    raise InvalidTokenError("signed with a key that is not trusted")


def _chain_in(given: dict[str, Any]) -> list[str]:
    try:
        return _Certified.model_validate(given).x5c
    except ValidationError:
        raise InvalidTokenError("its header is malformed") from None


def _certified(
    given: list[str], authorities: Sequence[Certificate], moment: float
) -> tuple[Key, float]:
    try:
        chain = [load_der_x509_certificate(b64decode(each, validate=True)) for each in given]
        until = vouched_until(chain, authorities, moment)
        key = key_of(chain[0].public_key())
    except (ValueError, UnsupportedAlgorithm):
        raise InvalidTokenError("a certificate of its chain is damaged") from None
    if until is None:
        raise InvalidTokenError("no authority of the bundle vouches for its certificate now")
    if key is None:
        raise InvalidTokenError("its certificate has a key of a kind not known")
    return key, until


def _decoded(part: str) -> bytes:
    try:
        return urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except binascii.Error:
        raise InvalidTokenError("a part of it ends early") from None
