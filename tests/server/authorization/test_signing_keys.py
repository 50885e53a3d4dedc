"""Files of keys: what signs, what verifies, what is refused."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization as form
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from entrepot.core.errors import ConfigurationError
from entrepot.server.authorization.keys import read_keys, write_key

PASSWORD = form.BestAvailableEncryption(b"password")
PLAIN = form.NoEncryption()
P256 = ec.generate_private_key(ec.SECP256R1())


def pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, *, secret: bool = False) -> bytes:
    encryption = PASSWORD if secret else PLAIN
    return key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, encryption)


def public(key: ec.EllipticCurvePrivateKey) -> bytes:
    kind = form.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(form.Encoding.PEM, kind)


def files(folder: Path, *contents: bytes) -> list[str]:
    paths = [folder / f"{number}.pem" for number in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
        path.chmod(0o600)
    return [str(path) for path in paths]


def test_openssls_old_form_of_a_key_is_read(tmp_path: Path) -> None:
    kind = form.PrivateFormat.TraditionalOpenSSL
    content = P256.private_bytes(form.Encoding.PEM, kind, PLAIN)

    assert read_keys(files(tmp_path, content)).kid == read_keys(files(tmp_path, pem(P256))).kid


def test_others_may_be_public(tmp_path: Path) -> None:
    old = ec.generate_private_key(ec.SECP256R1())

    keys = read_keys(files(tmp_path, pem(P256), public(old)))

    assert len(keys.trusted.by_id) == 2
    assert keys.kid == read_keys(files(tmp_path, pem(P256))).kid


WANTED = "no P-256 key as PEM without a password; make one with `entrepot auth key PATH`"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", WANTED),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", WANTED),
        (pem(P256, secret=True), WANTED),
        (pem(ec.generate_private_key(ec.SECP384R1())), WANTED),
        (pem(rsa.generate_private_key(65537, 1024)), WANTED),
        (public(P256), "a public key cannot sign; put the private one first"),
    ],
)
def test_what_cannot_sign_is_refused(tmp_path: Path, content: bytes, told: str) -> None:
    paths = files(tmp_path, content)

    with pytest.raises(ConfigurationError) as raised:
        read_keys(paths)

    assert raised.value.mistakes == (f"auth.entrepot.keys.0: {paths[0]}: {told}",)


def test_every_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as raised:
        read_keys([str(tmp_path / "a"), *files(tmp_path, pem(P256)), str(tmp_path)])

    assert raised.value.mistakes == (
        f"auth.entrepot.keys.0: {tmp_path}/a: No such file or directory",
        f"auth.entrepot.keys.2: {tmp_path}: Is a directory",
    )


def test_key_that_everybody_can_read_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "key.pem"
    write_key(str(path))
    with caplog.at_level(logging.WARNING):
        read_keys([str(path)])
        assert not caplog.records
        path.chmod(0o644)
        read_keys([str(path)])

    assert caplog.messages == [f"auth.entrepot.keys: everybody on this machine can read {path}"]


def test_key_is_shown_nowhere(tmp_path: Path) -> None:
    (path,) = files(tmp_path, pem(P256))

    assert "object at" not in repr(read_keys([path]))
