"""The folder of certificates, and who of those that share it may ask for one."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from tests.server.acme_fakes import BEGIN, LIFE, put, signed

from entrepot.core.errors import ConfigurationError
from entrepot.server.acme.cache import Cache, new_key, pem
from entrepot.server.acme.certificate import Certificate
from entrepot.server.acme.claim import Claim

HOSTS = ("a.example.com", "B.example.com")


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    made = Cache(tmp_path / "made" / "cache", HOSTS)
    made.prepare()
    return made


def names(cache: Cache) -> list[str]:
    return sorted(path.name for path in cache.folder.iterdir())


def test_certificate_is_read_as_it_was_stored(cache: Cache) -> None:
    stored = put(cache, HOSTS)

    assert cache.certificate() == stored
    assert stored.covers(["a.example.com", "b.example.com"])
    assert not stored.covers(["a.example.com", "c.example.com"])
    assert stored.lifetime == LIFE
    assert stored.due == BEGIN + timedelta(days=60)
    assert stored.is_valid(BEGIN - timedelta(hours=1))
    assert not stored.is_valid(BEGIN - timedelta(hours=2))
    assert not stored.is_valid(BEGIN + LIFE)


def test_file_is_as_distribution_has_it(cache: Cache) -> None:
    put(cache, HOSTS)

    content = (cache.folder / "a.example.com").read_text()

    assert content.startswith("-----BEGIN EC PRIVATE KEY-----\n")
    assert content.rstrip().endswith("-----END CERTIFICATE-----")


def test_everything_is_private_and_nothing_is_left_over(cache: Cache) -> None:
    put(cache, HOSTS)
    cache.account()
    cache.put_answer("token", "token.thumbprint")

    assert names(cache) == ["a.example.com", "acme_account+key", "token+http-01"]
    assert {path.stat().st_mode & 0o777 for path in cache.folder.iterdir()} == {0o600}
    assert cache.folder.stat().st_mode & 0o777 == 0o700


def test_certificate_and_key_that_do_not_fit_are_not_stored(cache: Cache) -> None:
    old = put(cache, HOSTS)

    with pytest.raises(ValueError, match="the key in it is another certificate's"):
        cache.store(pem(new_key()), signed(HOSTS, new_key()))

    assert cache.certificate() == old
    assert names(cache) == ["a.example.com"]


def encrypted() -> bytes:
    lock = BestAvailableEncryption(b"secret")
    return new_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00\xff",
        b"-----BEGIN CERTIFICATE-----\nrubbish\n-----END CERTIFICATE-----\n",
        signed(HOSTS, new_key()),
        pem(new_key()),
        pem(new_key()) + signed(HOSTS, new_key()),
        encrypted() + signed(HOSTS, new_key()),
        pem(new_key()) + b"-----BEGIN CERTIFICATE-----\nMII",
    ],
    ids=["empty", "binary", "damaged", "keyless", "key", "unfit", "encrypted", "torn"],
)
def test_broken_file_is_as_good_as_none_and_told_once(
    content: bytes, cache: Cache, caplog: pytest.LogCaptureFixture
) -> None:
    cache.path.write_bytes(content)

    assert cache.certificate() is None
    assert cache.certificate() is None

    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith(f"{cache.path} cannot be used: ")


def test_folder_in_place_of_a_file_is_no_certificate(cache: Cache) -> None:
    cache.path.mkdir()

    assert cache.certificate() is None


def test_account_is_kept(cache: Cache) -> None:
    assert pem(cache.account()) == pem(cache.account())


def test_account_of_an_old_name_is_found(cache: Cache) -> None:
    key = new_key()
    (cache.folder / "acme_account.key").write_bytes(pem(key))

    assert pem(cache.account()) == pem(key)
    assert names(cache) == ["acme_account.key"]


def unusable_keys() -> list[bytes]:
    plain = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return [
        b"rubbish",
        encrypted(),
        rsa.generate_private_key(65537, 2048).private_bytes(*plain),
        ec.generate_private_key(ec.SECP384R1()).private_bytes(*plain),
    ]


@pytest.mark.parametrize("content", unusable_keys(), ids=["rubbish", "encrypted", "rsa", "p384"])
def test_account_that_cannot_be_used_is_replaced(
    content: bytes, cache: Cache, caplog: pytest.LogCaptureFixture
) -> None:
    (cache.folder / "acme_account+key").write_bytes(content)

    key = cache.account()

    assert pem(cache.account()) == pem(key)
    assert len(caplog.messages) == 1


def test_answers_are_given_until_they_are_removed(cache: Cache) -> None:
    cache.put_answer("a-token_1", "a-token_1.thumbprint")

    assert cache.answer("a-token_1") == b"a-token_1.thumbprint"
    cache.remove_answers()
    assert cache.answer("a-token_1") is None
    assert names(cache) == []


@pytest.mark.parametrize("token", ["", "../a", "a/b", "a\0", "a.b", "a+http-01", "ä", "a" * 129])
def test_token_that_is_none_leads_nowhere(token: str, cache: Cache) -> None:
    assert cache.answer(token) is None
    with pytest.raises(ValueError, match="token"):
        cache.put_answer(token, "text")


def test_folder_that_is_a_file_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ConfigurationError, match="cannot write to"):
        Cache(tmp_path / "file", HOSTS).prepare()


def test_failed_write_leaves_the_old_file_and_nothing_else(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = put(cache, HOSTS)

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        put(cache, HOSTS)

    assert cache.certificate() == old
    assert names(cache) == ["a.example.com"]


def test_certificate_without_names_is_for_nobody() -> None:
    key = new_key()

    made = Certificate.parse(pem(key) + signed([], key))

    assert made.names == frozenset()


def test_one_of_many_has_the_claim(tmp_path: Path) -> None:
    one, other = Claim(tmp_path), Claim(tmp_path)

    assert one.take()
    assert not other.take()
    other.release()
    assert not other.take()
    one.release()
    assert other.take()


def test_claim_is_let_go_when_asking_fails(tmp_path: Path) -> None:
    claim = Claim(tmp_path)
    assert claim.take()

    with pytest.raises(RuntimeError), claim.alive():
        raise RuntimeError

    assert claim.sign() is None


def test_dead_claim_is_broken_off(tmp_path: Path) -> None:
    assert Claim(tmp_path).take()
    mine = Claim(tmp_path)
    sign = mine.sign()
    assert sign is not None

    mine.break_off(sign)

    assert mine.take()
    assert [path.name for path in tmp_path.iterdir()] == ["acme+claim"]


def test_claim_that_came_meanwhile_is_given_back(tmp_path: Path) -> None:
    living, mine = Claim(tmp_path), Claim(tmp_path)
    assert living.take()
    sign = living.sign()
    assert sign is not None

    mine.break_off(sign - 1)

    assert not mine.take()
    living.release()
    assert list(tmp_path.iterdir()) == []


def test_breaking_off_what_is_gone_does_nothing(tmp_path: Path) -> None:
    Claim(tmp_path).break_off(1)

    assert list(tmp_path.iterdir()) == []


def test_claim_gives_signs_of_life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("entrepot.server.acme.claim.BEAT", 0.001)
    claim = Claim(tmp_path)
    assert claim.take()
    os.utime(tmp_path / "acme+claim", ns=(0, 0))

    with claim.alive():
        while claim.sign() == 0:
            pass
