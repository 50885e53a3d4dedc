"""Chains of certificates: who vouches for whom."""

from __future__ import annotations

import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509 import Extension, ObjectIdentifier
from tests.server.authentication.minting import Authority, new_key

from entrepot.server.authentication.chains import LONGEST, vouched_until

NOW = time.time()
ROOT = Authority("root")
MIDDLE = Authority("middle", by=ROOT)
LEAF = Authority("leaf", by=MIDDLE, is_ca=None)


def vouched(*chain: Authority, by: tuple[Authority, ...] = (ROOT,), at: float = NOW) -> bool:
    certificates = [each.certificate for each in chain]
    return vouched_until(certificates, [each.certificate for each in by], at) is not None


def usage(*, key_cert_sign: bool) -> Extension[x509.KeyUsage]:
    value = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    return Extension(value.oid, critical=True, value=value)


def odd(*, critical: bool) -> Extension[x509.UnrecognizedExtension]:
    value = x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    return Extension(value.oid, critical=critical, value=value)


def constraints() -> Extension[x509.NameConstraints]:
    value = x509.NameConstraints([x509.DNSName("a.test")], None)
    return Extension(value.oid, critical=False, value=value)


def test_authorities_between() -> None:
    assert vouched(LEAF, MIDDLE)
    assert vouched(LEAF, MIDDLE, ROOT)
    assert vouched(LEAF, by=(MIDDLE,))
    assert vouched(ROOT)


@pytest.mark.parametrize("algorithm", ["RS256", "ES384", "ES512", "EdDSA"])
def test_keys_of_every_kind(algorithm: str) -> None:
    root = Authority("root", new_key(algorithm))
    leaf = Authority("leaf", new_key(algorithm), by=root, is_ca=None)

    assert vouched(leaf, by=(root,))


def test_until_when_is_the_earliest_end() -> None:
    root, middle = Authority("root", days=(-1, 3)), None
    middle = Authority("middle", by=root, days=(-1, 2))
    leaf = Authority("leaf", by=middle, is_ca=None, days=(-1, 4))
    chain = [leaf.certificate, middle.certificate]

    now = time.time()
    until = vouched_until(chain, [root.certificate], now)

    assert until == pytest.approx(now + 2 * 86400, abs=60)


BY_NO_AUTHORITY = Authority("middle", by=ROOT, is_ca=False)
NOT_SAYING = Authority("middle", by=ROOT, is_ca=None)
NOT_SIGNING = Authority("middle", by=ROOT, extensions=[usage(key_cert_sign=False)])
LIMITED = Authority("middle", by=ROOT, extensions=[constraints()])
SHORT = Authority("short", path_length=0)
BELOW_SHORT = Authority("below", by=SHORT)
OLD_MIDDLE = Authority("middle", by=ROOT, days=(-3, -2))
FALSE_ROOT = Authority("root")

REFUSED = {
    "nobody": ((), (ROOT,)),
    "no authorities": ((LEAF, MIDDLE), ()),
    "missing link": ((LEAF,), (ROOT,)),
    "wrong order": ((LEAF, ROOT, MIDDLE), (ROOT,)),
    "not its issuer": ((LEAF, FALSE_ROOT), (ROOT,)),
    "another root of that name": ((LEAF, MIDDLE), (FALSE_ROOT,)),
    "issuer is no authority": ((Authority("l", by=BY_NO_AUTHORITY), BY_NO_AUTHORITY), (ROOT,)),
    "issuer does not say so": ((Authority("l", by=NOT_SAYING), NOT_SAYING), (ROOT,)),
    "issuer may not sign": ((Authority("l", by=NOT_SIGNING), NOT_SIGNING), (ROOT,)),
    "issuer may sign for some names": ((Authority("l", by=LIMITED), LIMITED), (ROOT,)),
    "certificate of the bundle is no authority": (
        (Authority("l", by=BY_NO_AUTHORITY),),
        (BY_NO_AUTHORITY,),
    ),
    "path too long": ((Authority("l", by=BELOW_SHORT), BELOW_SHORT), (SHORT,)),
    "expired": ((Authority("l", by=ROOT, days=(-2, -1)),), (ROOT,)),
    "expired in the bundle": ((Authority("l", by=OLD_MIDDLE),), (OLD_MIDDLE,)),
    "expired between": ((Authority("l", by=OLD_MIDDLE), OLD_MIDDLE), (ROOT,)),
    "expired although in the bundle": ((OLD_MIDDLE,), (OLD_MIDDLE,)),
    "not yet": ((Authority("l", by=ROOT, days=(1, 2)),), (ROOT,)),
    "critical and unknown": (
        (Authority("l", by=ROOT, extensions=[odd(critical=True)]),),
        (ROOT,),
    ),
    "too long": ((LEAF, *[MIDDLE] * LONGEST), (ROOT,)),
    "self-made": ((FALSE_ROOT,), (ROOT,)),
}


@pytest.mark.parametrize("what", REFUSED)
def test_nobody_vouches(what: str) -> None:
    chain, by = REFUSED[what]

    assert not vouched(*chain, by=by)


def test_what_is_not_critical_may_be_unknown() -> None:
    leaf = Authority("l", by=ROOT, extensions=[odd(critical=False)])

    assert vouched(leaf)
    assert vouched(Authority("l", by=SHORT), by=(SHORT,))
    assert vouched(Authority("l", by=ROOT, is_ca=False, extensions=[usage(key_cert_sign=False)]))


def test_weak_digest() -> None:
    key = new_key("RS256")
    root = Authority("root", key)
    strong = Authority("l", by=root, digest=hashes.SHA512())

    assert vouched(strong, by=(root,))
    assert not vouched(Authority("l", by=root, digest=hashes.SHA224()), by=(root,))


def test_moment_far_out() -> None:
    assert not vouched(ROOT, at=10.0**15)
    assert not vouched(ROOT, at=0.0)


def test_certificate_of_version_one() -> None:
    """As `openssl x509 -req` made them for years without a file of extensions."""
    ca, leaf = (x509.load_pem_x509_certificate(pem) for pem in (_CA, _VERSION_ONE))

    assert leaf.version is x509.Version.v1
    assert vouched_until([leaf], [ca], time.time()) is not None
    assert vouched_until([leaf], [leaf], time.time()) is not None


# Newer programs make no certificates of version 1; these two are good until 2126.
_CA = b"""\
-----BEGIN CERTIFICATE-----
MIIBcDCCARegAwIBAgIUXr+GyjM9n6KjC+XZZ9rXCYLFPUMwCgYIKoZIzj0EAwIw
DTELMAkGA1UEAwwCY2EwIBcNMjYxMTMwMTAwODE5WhgPMjEyNjExMDYxMDA4MTla
MA0xCzAJBgNVBAMMAmNhMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEfy1ZGEbQ
0SGBLnuDdm4N4T3SHdKnjpNGz7T+r5/tqfIek2QMrUV0f+LKtKJCLBIzI+GfuGF6
cyP9QBKzWOKCSqNTMFEwHQYDVR0OBBYEFCt5NmVB6f6m5OayttbhYr8gFRUqMB8G
A1UdIwQYMBaAFCt5NmVB6f6m5OayttbhYr8gFRUqMA8GA1UdEwEB/wQFMAMBAf8w
CgYIKoZIzj0EAwIDRwAwRAIgGCRe3ZkCULj3tYL6RMPU9X+u7iIczd7LCcaVnEeN
sw4CIDtKR0HvNQ1nazF980L2Hn6NdWLuwwlU5Vo27b/2HG8b
-----END CERTIFICATE-----
"""
_VERSION_ONE = b"""\
-----BEGIN CERTIFICATE-----
MIIBBDCBrAIBBzAKBggqhkjOPQQDAjANMQswCQYDVQQDDAJjYTAgFw0yNjExMzAx
MDA4MjBaGA8yMTI2MTEwNjEwMDgyMFowDzENMAsGA1UEAwwEbGVhZjBZMBMGByqG
SM49AgEGCCqGSM49AwEHA0IABPxzcgYWy4D6qyFV0cB8ratLmJ2AAC2fSzjg1tRP
Fg7PN0R/pBRNQYPGFQWz4eUjhmKW5irdiR2E8B4hc7VxTXYwCgYIKoZIzj0EAwID
RwAwRAIgYHhcAAneyMVyzdnRuEt+MwrQq0FQFRSsjdGQTE0E6JkCIE17u3P6cIV1
OmNbA47y+TjLKs0FCVLczoO23evcz4Nf
-----END CERTIFICATE-----
"""
