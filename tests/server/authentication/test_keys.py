"""Keys: the names they have in tokens, the files they come from, and new ones for old."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.server.authentication.conftest import Ask
from tests.server.authentication.minting import (
    ISSUER,
    SERVICE,
    Authority,
    PrivateKey,
    claims,
    encoded,
    minted,
    new_key,
    pem,
    public_jwk,
    shape,
)

from entrepot.core.access import UnauthorizedError
from entrepot.core.errors import ConfigurationError
from entrepot.server.authentication import token
from entrepot.server.authentication.identifiers import identifiers
from entrepot.server.authentication.keys import parse_bundle, parse_jwks
from entrepot.server.authentication.options import TokenOptions

RSA = new_key("RS256")


def of(folder: Path, **names: str) -> TokenOptions:
    files: dict[str, Any] = {key: str(folder / name) for key, name in names.items()}
    return TokenOptions(realm="https://a.test/", service=SERVICE, issuer=ISSUER, **files)


def libtrust(key: PrivateKey) -> str:
    """As github.com/docker/libtrust has it."""
    der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    text = base64.b32encode(hashlib.sha256(der).digest()[:30]).decode()
    return ":".join(text[at : at + 4] for at in range(0, 48, 4))


def thumbprint(members: dict[str, str]) -> str:
    document = json.dumps(members, separators=(",", ":"), sort_keys=True)
    return encoded(hashlib.sha256(document.encode()).digest())


def with_short_coordinate() -> ec.EllipticCurvePrivateKey:
    """A key one of whose coordinates begins with a zero."""
    for secret in range(1, 5000):
        key = ec.derive_private_key(secret, ec.SECP256R1())
        if key.public_key().public_numbers().x < 2**248:
            return key
    raise AssertionError


def test_names_of_a_key_of_the_specification() -> None:
    modulus = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECP"
        "ebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY"
        "368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0f"
        "M4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
    )
    keys = parse_jwks(json.dumps({"keys": [{"kty": "RSA", "n": modulus, "e": "AQAB"}]}).encode())

    # RFC 7638, 3.1
    assert "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs" in keys.by_id


def test_coordinates_with_and_without_their_zeros() -> None:
    key = with_short_coordinate()
    padded = public_jwk(key)
    plain = {
        name: encoded(base64.urlsafe_b64decode(padded[name] + "==").lstrip(b"\0"))
        for name in ("x", "y")
    }

    names = identifiers(key.public_key())

    assert padded["x"] != plain["x"]
    assert names == {thumbprint(padded), thumbprint(padded | plain), libtrust(key)}


@pytest.mark.parametrize("algorithm", ["RS256", "ES384", "EdDSA"])
@pytest.mark.parametrize("where", ["rootcertbundle", "jwks"])
@pytest.mark.parametrize("name", ["libtrust", "thumbprint", "padded thumbprint"])
def test_key_is_known_by_every_name(
    algorithm: str, where: str, name: str, tmp_path: Path, ask: Ask
) -> None:
    key = RSA if algorithm == "RS256" else new_key(algorithm)
    content = (
        pem(Authority("a", key).certificate)
        if where == "rootcertbundle"
        else json.dumps({"keys": [public_jwk(key)]}).encode()
    )
    (tmp_path / "keys").write_bytes(content)
    tokens = token.opened(of(tmp_path, **{where: "keys"}))
    members = {each: value for each, value in public_jwk(key).items() if each != "key_ops"}
    kid = {
        "libtrust": libtrust(key),
        "thumbprint": thumbprint(members),
        "padded thumbprint": thumbprint(members) + "=",
    }[name]

    assert ask(tokens, f"Bearer {minted(key, algorithm, {'kid': kid}, claims())}").name == "alice"


def test_name_in_the_key_set_counts_as_well() -> None:
    keys = parse_jwks(json.dumps({"keys": [public_jwk(RSA, kid="mine=")]}).encode())

    assert keys.by_id["mine="] is keys.by_id[libtrust(RSA)]


def test_private_key_of_a_set_is_its_public_one() -> None:
    private = json.loads(_private_jwk(RSA))

    keys = parse_jwks(json.dumps({"keys": [private | {"kid": "a"}]}).encode())

    assert keys.by_id["a"].material == RSA.public_key()


def _private_jwk(key: Any) -> str:
    from jwt.algorithms import RSAAlgorithm

    return RSAAlgorithm.to_jwk(key)


@pytest.mark.parametrize(
    ("given", "algorithms"),
    [
        ({"alg": "RS384"}, {"RS384"}),
        ({"alg": "ES256"}, None),
        ({"alg": 5}, None),
        ({"use": "enc"}, None),
        ({"use": "sig"}, {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}),
    ],
)
def test_key_set_says_what_a_key_is_for(given: dict[str, Any], algorithms: set[str] | None) -> None:
    listed = [public_jwk(RSA, kid="a", **given), public_jwk(new_key(), kid="other")]

    found = parse_jwks(json.dumps({"keys": listed}).encode()).by_id.get("a")

    assert (found.algorithms if found else None) == algorithms


@pytest.mark.parametrize(
    ("size", "algorithms"),
    [(31, None), (32, {"HS256"}), (48, {"HS256", "HS384"}), (64, {"HS256", "HS384", "HS512"})],
)
def test_secret_is_as_long_as_its_algorithm_wants(size: int, algorithms: set[str] | None) -> None:
    secret = {"kty": "oct", "kid": "a", "k": encoded(b"k" * size)}

    found = parse_jwks(json.dumps({"keys": [secret, public_jwk(RSA)]}).encode()).by_id.get("a")

    assert (found.algorithms if found else None) == algorithms
    assert "kkkk" not in repr(found)


ODD_KEYS: dict[str, Any] = {
    "kind unheard of": {"kty": "x"},
    "no kind": {},
    "kind is a list": {"kty": []},
    "curve of bitcoin": {"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA"},
    "curve not for signing": {"kty": "OKP", "crv": "X25519", "x": encoded(b"x" * 32)},
    "long curve": {"kty": "OKP", "crv": "Ed448", "x": encoded(b"x" * 57)},
    "point off its curve": {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
    "small modulus": {"kty": "RSA", "n": encoded(b"\xff" * 64), "e": "AQAB"},
    "numbers are numbers": {"kty": "RSA", "n": 5, "e": 3},
    "nothing secret": {"kty": "oct", "k": ""},
    "no secret": {"kty": "oct"},
}


@pytest.mark.parametrize("what", ODD_KEYS)
def test_odd_key_is_left_out(what: str, caplog: pytest.LogCaptureFixture) -> None:
    listed = [ODD_KEYS[what] | {"kid": "odd"}, public_jwk(RSA, kid="a")]

    keys = parse_jwks(json.dumps({"keys": listed}).encode())

    assert "odd" not in keys.by_id
    assert "a" in keys.by_id
    assert "jwks: key 1 is" in caplog.text


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"keys":[5]}', b"[" * 99999, b"\xff", b'{"keys":[]}']
)
def test_no_key_set(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"no JSON Web Key Set|no key that can be used"):
        parse_jwks(content)


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut off": lambda text: text[:-30],
    "no base64": lambda text: text.replace(b"MII", b"M%I", 1),
    "nothing": lambda text: text[:0],
    "no certificate": lambda text: b"\n".join([text[:27], b"AAAA", text[-26:]]),
}


@pytest.mark.parametrize("what", DAMAGES)
def test_damaged_bundle(what: str) -> None:
    content = pem(Authority("a", RSA).certificate)

    with pytest.raises(ValueError):
        parse_bundle(DAMAGES[what](content))


def test_bundle_of_several_with_words_between() -> None:
    one, two = Authority("a", RSA), Authority("b")

    keys = parse_bundle(b"# one\n" + pem(one.certificate) + b"\n# two\n" + pem(two.certificate))

    assert list(keys.authorities) == [one.certificate, two.certificate]
    assert libtrust(one.key) in keys.by_id
    assert libtrust(two.key) in keys.by_id


@pytest.mark.parametrize("where", ["rootcertbundle", "jwks"])
def test_missing_or_broken_file_stops_the_start(where: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=rf"^auth.token.{where}: .*/keys cannot be used: "):
        token.opened(of(tmp_path, **{where: "keys"}))
    (tmp_path / "keys").write_bytes(b"nonsense")
    with pytest.raises(ConfigurationError, match=rf"^auth.token.{where}: .*/keys cannot be used: "):
        token.opened(of(tmp_path, **{where: "keys"}))


def test_new_keys_are_taken_at_once_and_old_ones_no_longer(tmp_path: Path, ask: Ask) -> None:
    old, new = new_key(), new_key()
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps({"keys": [public_jwk(old, kid="old")]}))
    tokens = token.opened(of(tmp_path, jwks="jwks.json"))
    of_old = f"Bearer {minted(old, 'ES256', {'kid': 'old'}, claims())}"
    of_new = f"Bearer {minted(new, 'ES256', {'kid': 'new'}, claims())}"
    ask(tokens, of_old)

    (tmp_path / "next").write_text(json.dumps({"keys": [public_jwk(new, kid="new")]}))
    os.replace(tmp_path / "next", file)

    assert ask(tokens, of_new).name == "alice"
    with pytest.raises(UnauthorizedError):
        ask(tokens, of_old)


def test_removed_authority_is_noticed_within_its_second(
    tmp_path: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = Authority("old"), Authority("new")
    file = tmp_path / "bundle.pem"
    file.write_bytes(pem(old.certificate, new.certificate))
    tokens = token.opened(of(tmp_path, rootcertbundle="bundle.pem"))
    header = f"Bearer {minted(old.key, 'ES256', {'x5c': [shape(old.certificate)]}, claims())}"
    ask(tokens, header)
    file.write_bytes(pem(new.certificate))

    monkeypatch.setattr(token, "_BETWEEN_LOOKS", 0.0)

    with pytest.raises(UnauthorizedError):
        ask(tokens, header)


def test_broken_new_file_changes_nothing_and_is_told_once(
    tmp_path: Path, ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    key = new_key()
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps({"keys": [public_jwk(key, kid="a")]}))
    tokens = token.opened(of(tmp_path, jwks="jwks.json"))
    header = f"Bearer {minted(key, 'ES256', {'kid': 'a'}, claims())}"

    file.write_text('{"keys": [')
    for _ in range(3):
        with pytest.raises(UnauthorizedError):  # which makes it look at the file
            ask(tokens, f"Bearer {minted(key, 'ES256', {'kid': 'b'}, claims())}")
        assert ask(tokens, header).name == "alice"

    told = [each.getMessage() for each in caplog.records if each.levelname == "ERROR"]
    reason = "it is no JSON Web Key Set; what it held before stays in force"
    assert told == [f"auth.token.jwks: {file} cannot be used: {reason}"]
