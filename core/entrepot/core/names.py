"""Names of the protocol as types: parsed once at the edge, trusted afterwards."""

from __future__ import annotations

import hashlib
import hmac
import re
import uuid
from dataclasses import dataclass
from typing import Self

from entrepot.core.errors import (
    BlobUploadUnknownError,
    DigestInvalidError,
    NameInvalidError,
    TagInvalidError,
)

ALGORITHMS = {"sha256": 64, "sha384": 96, "sha512": 128}
"""Digest algorithms content may be addressed by, with the length of their hexadecimal form."""

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_NAME = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*", re.ASCII)
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}", re.ASCII)
_HEX = re.compile(r"[0-9a-f]+", re.ASCII)
_SHOWN = 100  # characters of a client's bad input that an error message repeats


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")


@dataclass(frozen=True, slots=True)
class RepositoryName:
    """A repository's name, at most 255 characters. Source: distribution-spec 1.1, "Pulling"."""

    text: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises NameInvalidError."""
        if len(text) > 255:
            raise NameInvalidError(
                "repository name is longer than 255 characters", detail={"length": len(text)}
            )
        if not _NAME.fullmatch(text):
            raise NameInvalidError(
                f"invalid repository name {_shown(text)}: lower-case letters and digits, "
                "joined by '.', '_', '__' or dashes, in parts separated by '/'"
            )
        return cls(text)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag. Source: distribution-spec 1.1, "Pulling manifests"."""

    text: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises TagInvalidError."""
        if not _TAG.fullmatch(text):
            raise TagInvalidError(
                f"invalid tag {_shown(text)}: 1 to 128 letters, digits, '_', '.' or '-', "
                "not beginning with '.' or '-'"
            )
        return cls(text)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Digest:
    """The digest of some content: `algorithm` is a key of ALGORITHMS, `hex` is lower case."""

    algorithm: str
    hex: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises DigestInvalidError."""
        algorithm, colon, encoded = text.partition(":")
        if not colon:
            raise DigestInvalidError(f"invalid digest {_shown(text)}: want <algorithm>:<hex>")
        length = ALGORITHMS.get(algorithm)
        if length is None:
            raise DigestInvalidError(
                f"unsupported digest algorithm {_shown(algorithm)}: one of {', '.join(ALGORITHMS)}"
            )
        if len(encoded) != length or not _HEX.fullmatch(encoded):
            raise DigestInvalidError(
                f"invalid digest {_shown(text)}: {algorithm} has {length} lower-case "
                "hexadecimal characters"
            )
        return cls(algorithm, encoded)

    @classmethod
    def of(cls, content: bytes, algorithm: str = "sha256") -> Self:
        return cls(algorithm, hashlib.new(algorithm, content).hexdigest())

    def matches(self, other: Digest) -> bool:
        return self.algorithm == other.algorithm and hmac.compare_digest(self.hex, other.hex)

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"


Reference = Tag | Digest


def parse_reference(text: str) -> Reference:
    """What stands behind `/manifests/`: a digest if it has a colon, else a tag.

    Raises DigestInvalidError, TagInvalidError.
    """
    return Digest.parse(text) if ":" in text else Tag.parse(text)


@dataclass(frozen=True, slots=True)
class UploadId:
    """The id of a blob upload: a UUID, as Distribution's purge expects it on the store."""

    text: str

    @classmethod
    def new(cls) -> Self:
        return cls(str(uuid.uuid4()))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises BlobUploadUnknownError: nothing else than a UUID was ever given out."""
        try:
            known = str(uuid.UUID(text)) == text
        except ValueError:
            known = False
        if not known:
            raise BlobUploadUnknownError(f"no such upload {_shown(text)}")
        return cls(text)

    def __str__(self) -> str:
        return self.text
