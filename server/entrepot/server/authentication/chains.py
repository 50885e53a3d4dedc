"""Certificates that come with tokens, and whether an authority of the bundle stands behind them.

cryptography's own verifier is made for web servers: it refuses certificates of X.509 version 1
and Ed25519 keys, with which token servers do sign. Source: RFC 5280 section 6.1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from cryptography.x509 import (
    BasicConstraints,
    Certificate,
    ExtensionNotFound,
    KeyUsage,
    NameConstraints,
    Version,
)
from cryptography.x509.oid import ExtensionOID

LONGEST = 8
"""Certificates of a chain."""

_UNDERSTOOD = {
    ExtensionOID.BASIC_CONSTRAINTS,
    ExtensionOID.KEY_USAGE,
    ExtensionOID.EXTENDED_KEY_USAGE,
    ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
}


def vouched_until(
    chain: Sequence[Certificate], authorities: Sequence[Certificate], moment: float
) -> float | None:
    """Until when authorities vouch for the first certificate of a chain, in seconds since 1970.

    Each of the others certifies the one before it. None if nobody vouches for it at `moment`.
    Source: RFC 7515 section 4.1.6.
    """
    if len(chain) > LONGEST:
        return None
    try:
        return _until(chain, authorities, datetime.fromtimestamp(moment, UTC))
    except ValueError:  # cryptography's, of a certificate that contradicts its own form
        return None


def _until(
    chain: Sequence[Certificate], authorities: Sequence[Certificate], at: datetime
) -> float | None:
    until = math.inf
    for below, subject in enumerate(chain):
        own = _good_until(subject, at)
        if own is None:
            return None
        until = min(until, own)
        if subject in authorities:
            return until
        for issuer in authorities:
            vouched = _good_until(issuer, at)
            if vouched is not None and _issued(issuer, subject, below, is_trusted=True):
                return min(until, vouched)
        following = chain[below + 1 : below + 2]
        if not following or not _issued(following[0], subject, below, is_trusted=False):
            return None
    return None


def _good_until(certificate: Certificate, at: datetime) -> float | None:
    """When a certificate ends that may be used at `at`."""
    if not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
        return None
    if any(each.critical and each.oid not in _UNDERSTOOD for each in certificate.extensions):
        return None
    return certificate.not_valid_after_utc.timestamp()


def _issued(issuer: Certificate, subject: Certificate, below: int, *, is_trusted: bool) -> bool:
    if issuer.subject != subject.issuer or not _may_issue(issuer, below, is_trusted=is_trusted):
        return False
    try:
        digest = subject.signature_hash_algorithm
        if digest is not None and not isinstance(digest, SHA256 | SHA384 | SHA512):
            return False
        subject.verify_directly_issued_by(issuer)
    except (InvalidSignature, UnsupportedAlgorithm, TypeError, ValueError):
        return False
    return True


def _may_issue(issuer: Certificate, below: int, *, is_trusted: bool) -> bool:
    """Whether a certificate is an authority's, for so many authorities between.

    Those of version 1 cannot say so: one is believed if it is in the bundle itself.
    """
    if issuer.version is Version.v1:
        return is_trusted
    extensions = issuer.extensions
    try:
        constraints = extensions.get_extension_for_class(BasicConstraints).value
    except ExtensionNotFound:
        return False
    length = constraints.path_length
    if not constraints.ca or (length is not None and below > length):
        return False
    if any(isinstance(each.value, NameConstraints) for each in extensions):
        return False
    return all(each.value.key_cert_sign for each in extensions if isinstance(each.value, KeyUsage))
