"""Certificates: what is read from files, what is refused, what is told, what is renewed."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import PrivateFormat
from tests.tools.authority import DAY, Authority, place

from entrepot.core.configuration import Configuration, Tls, load
from entrepot.core.errors import ConfigurationError
from entrepot.server.servers import watching
from entrepot.server.servers.choosing import material
from entrepot.server.servers.material import Material
from entrepot.server.servers.reading import read_material
from entrepot.server.servers.watching import Renewal


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def tls(authority: Authority, tmp_path: Path) -> Tls:
    certificate, key = authority.sign().write(tmp_path, "server")
    return Tls(certificate=str(certificate), key=str(key))


def configured(tls: Tls, **keys: str) -> Configuration:
    given = {"CERTIFICATE": tls.certificate, "KEY": tls.key} | keys
    environ = {f"REGISTRY_HTTP_TLS_{key}": value for key, value in given.items()}
    return load(None, environ).configuration


def test_files_of_every_form_are_read(authority: Authority, tls: Tls) -> None:
    pair = authority.sign()
    for form in (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL):
        # a key as `openssl ecparam -genkey` writes it, and certificates in the same file
        parameters = (
            b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
        )
        place(Path(tls.key), parameters + pair.key_text(form) + pair.chain)
        place(Path(tls.certificate), b"# words\n" + pair.chain)

        read = read_material(tls)

        assert read.chain == pair.chain
        assert read.subject == "CN=registry"
        assert read.everywhere
        assert b"PARAMETERS" not in read.key
        assert "PRIVATE" not in repr(read)


def spoiled(authority: Authority) -> dict[str, tuple[bytes, bytes, str]]:
    """Contents of both files, and what is told of them."""
    pair, other = authority.sign(), authority.sign()
    short = authority.sign(key=rsa.generate_private_key(65537, 1024))
    key = pair.key_text()
    damaged = pair.chain.replace(b"MII", b"MIX", 1)
    return {
        "no certificate": (
            key,
            key,
            "certificate: {certificate} holds no certificate; PEM is wanted",
        ),
        "damaged certificate": (
            damaged,
            key,
            "certificate: {certificate} holds a damaged certificate",
        ),
        "no key": (pair.chain, pair.chain, "key: {key} holds no private key; PEM is wanted"),
        "damaged key": (
            pair.chain,
            key.replace(b"\nM", b"\nX", 1),
            "key: {key} holds a damaged key, or one of an unknown kind",
        ),
        "encrypted key": (
            pair.chain,
            pair.key_text(passphrase=b"secret"),
            "key: {key} is encrypted; write it without a passphrase: openssl pkey -in OLD -out NEW",
        ),
        "other key": (
            pair.chain,
            other.key_text(),
            "key: {key} is not the key of http.tls.certificate",
        ),
        "wrong order": (
            other.chain + pair.chain,
            key,
            (
                "key: {key} belongs to a later certificate of http.tls.certificate; "
                "its own must come first"
            ),
        ),
        "short key": (
            short.chain,
            short.key_text(),
            "key: {key} is an RSA key of 1024 bits; at least 2048 are wanted",
        ),
    }


def test_unusable_file_is_one_line(authority: Authority, tls: Tls) -> None:
    for name, (chain, key, said) in spoiled(authority).items():
        place(Path(tls.certificate), chain)
        place(Path(tls.key), key)

        with pytest.raises(ConfigurationError) as refused:
            read_material(tls)

        told = f"http.tls.{said}".format(key=tls.key, certificate=tls.certificate)
        assert refused.value.mistakes == (told,), name


def test_absent_file_is_one_line(tls: Tls) -> None:
    os.unlink(tls.key)

    with pytest.raises(ConfigurationError) as refused:
        read_material(tls)

    told = f"http.tls.key: cannot read {tls.key}: No such file or directory"
    assert refused.value.mistakes == (told,)


def test_all_mistakes_of_the_section_are_told_at_once(tls: Tls, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        material(
            configured(
                tls,
                KEY="",
                CLIENTCAS=f"[{tmp_path}/ca.crt]",
                CLIENTAUTH="require-any-client-cert",
                CIPHERSUITES="[TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA265]",
            )
        )

    told = refused.value.mistakes
    assert [one.partition(":")[0] for one in told] == [
        "http.tls.clientauth",
        "http.tls.ciphersuites",
        "http.tls.key",
        "http.tls.clientcas[0]",
    ]
    assert "did you mean 'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256'?" in told[1]


@pytest.mark.parametrize(
    ("begins", "ends", "said"),
    [
        (-DAY, 30 * DAY, ""),
        (-DAY, 14 * DAY - timedelta(hours=1), "expires in 13 days, on "),
        (-2 * DAY, -DAY, "expired on "),
        (DAY, 30 * DAY, "not valid before "),
    ],
)
def test_time_of_a_certificate_is_told(
    begins: timedelta, ends: timedelta, said: str, authority: Authority, tls: Tls, tmp_path: Path
) -> None:
    authority.sign(begins=begins, ends=ends).write(tmp_path, "server")

    warning = read_material(tls).warning(datetime.now(UTC))

    assert warning.startswith(said)
    assert bool(warning) is bool(said)


def test_keys_that_only_openssl_can_use(authority: Authority, tls: Tls, tmp_path: Path) -> None:
    authority.sign(key=ec.generate_private_key(ec.SECP521R1())).write(tmp_path, "server")

    assert not read_material(tls).everywhere


class Words(logging.Handler):
    """Messages, to be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self._each: asyncio.Queue[str] = asyncio.Queue()

    def emit(self, record: logging.LogRecord) -> None:
        self._each.put_nowait(record.getMessage())

    async def next(self) -> str:
        async with asyncio.timeout(10):
            return await self._each.get()


class Renewing:
    """A renewal at work, and what it passed on."""

    def __init__(self, tls: Tls) -> None:
        self.each: list[bytes] = []
        self._came = asyncio.Event()
        self.renewal = Renewal(tls, read_material(tls), self._take)

    async def _take(self, material: Material) -> None:
        self.each.append(material.chain)
        self._came.set()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self.renewal.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()

    async def next(self) -> bytes:
        async with asyncio.timeout(10):
            await self._came.wait()
        self._came.clear()
        return self.each[-1]


@contextmanager
def listening_to(words: Words) -> Generator[None, None, None]:
    log = logging.getLogger("entrepot.server")
    before = log.level
    log.addHandler(words)
    log.setLevel(logging.INFO)
    yield
    log.setLevel(before)
    log.removeHandler(words)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "_BETWEEN", 0.01)


@pytest.mark.usefixtures("impatient")
def test_new_pairs_are_passed_on_and_unusable_ones_told(
    authority: Authority, tls: Tls, tmp_path: Path
) -> None:
    first, second = authority.sign(), authority.sign(ends=DAY)

    async def scenario() -> None:
        words = Words()
        with listening_to(words):
            async with Renewing(tls) as renewing:
                first.write(tmp_path, "server")
                assert await renewing.next() == first.chain
                assert (await words.next()).startswith("certificate renewed: CN=registry, valid ")
                place(Path(tls.certificate), second.chain)
                assert (await words.next()).endswith(
                    "is not the key of http.tls.certificate; the old certificate stays"
                )
                place(Path(tls.key), second.key_text())
                assert await renewing.next() == second.chain
                assert (await words.next()).startswith("certificate renewed: CN=registry, valid ")
                assert "expires in 0 days" in await words.next()
                assert len(renewing.each) == 2

    asyncio.run(scenario())


def test_request_to_look_does_not_wait(authority: Authority, tls: Tls, tmp_path: Path) -> None:
    pair = authority.sign()

    async def scenario() -> None:
        async with asyncio.timeout(2), Renewing(tls) as renewing:
            pair.write(tmp_path, "server")
            renewing.renewal.ask()
            assert await renewing.next() == pair.chain

    asyncio.run(scenario())


@pytest.mark.usefixtures("impatient")
def test_folder_replaced_behind_a_link_is_seen(authority: Authority, tmp_path: Path) -> None:
    """As Kubernetes does it: the files are links through `..data`, which is replaced."""
    pairs = [authority.sign(), authority.sign()]
    for number, pair in enumerate(pairs):
        (tmp_path / str(number)).mkdir()
        pair.write(tmp_path / str(number), "tls")
    (tmp_path / "..data").symlink_to("0")
    for name in ("tls.crt", "tls.key"):
        (tmp_path / name).symlink_to(f"..data/{name}")
    tls = Tls(certificate=str(tmp_path / "tls.crt"), key=str(tmp_path / "tls.key"))

    async def scenario() -> None:
        async with Renewing(tls) as renewing:
            (tmp_path / "new").symlink_to("1")
            os.replace(tmp_path / "new", tmp_path / "..data")
            assert await renewing.next() == pairs[1].chain

    asyncio.run(scenario())
