"""Chains of certificates: who vouches for whom."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

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


def test_certificates_of_version_one(tmp_path: Path) -> None:
    """As `openssl x509 -req` made them for years without a file of extensions."""
    _run(tmp_path, "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /CN=ca")
    _run(tmp_path, "req -newkey rsa:2048 -nodes -keyout leaf.key -out leaf.csr -subj /CN=leaf")
    (tmp_path / "none").write_text("")
    _run(tmp_path, "x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -set_serial 7 -out leaf.pem")
    ca, leaf = (
        x509.load_pem_x509_certificate((tmp_path / name).read_bytes())
        for name in ("ca.pem", "leaf.pem")
    )

    if leaf.version is not x509.Version.v1:
        pytest.skip("this openssl adds extensions of its own")
    assert vouched_until([leaf], [ca], time.time()) is not None
    assert vouched_until([leaf], [leaf], time.time()) is not None


def _run(folder: Path, arguments: str) -> None:
    subprocess.run(["openssl", *arguments.split()], cwd=folder, check=True, capture_output=True)
