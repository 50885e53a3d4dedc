"""The azure driver by Microsoft Entra: tokens over TLS, copies and links without an account key."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.drivers.azure_fake import CONTAINER, TOKEN, FakeAzure, fake_azure

from entrepot.core import AccessError, Driver, UnavailableError
from entrepot.core.testing.material import MIB, content, get, pieces, put
from entrepot.drivers.azure import AzureOptions, access, copying, open_azure, opening

pytestmark = pytest.mark.anyio


class Credential:
    """Gives the token of the test, and counts."""

    opened: list[Credential] = []  # noqa: RUF012 - cleared by the fixture

    def __init__(self, *_: object) -> None:
        self.asked = 0
        self.closed = False
        self.refused = False
        self.stuck = False
        Credential.opened.append(self)

    async def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        assert scopes == ("https://storage.azure.com/.default",)
        self.asked += 1
        if self.refused:
            raise ClientAuthenticationError("secret-in-a-message")
        if self.stuck:
            await asyncio.Event().wait()
        return AccessToken(TOKEN, int(time.time()) + 3600)

    async def close(self) -> None:
        self.closed = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(hours=1))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    path: Path = tmp_path_factory.mktemp("tls") / "both.pem"
    path.write_bytes(
        certificate.public_bytes(pem)
        + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path)
    return context


@pytest.fixture
async def azure(
    tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[FakeAzure, None]:
    Credential.opened.clear()
    monkeypatch.setattr(opening, "ClientSecretCredential", Credential)
    monkeypatch.setattr(opening, "DefaultAzureCredential", Credential)
    async with fake_azure(tls) as fake:
        yield fake


def opened(azure: FakeAzure, **more: Any) -> AbstractAsyncContextManager[Driver]:
    given: dict[str, Any] = {"accountname": "acme", "container": CONTAINER, "skipverify": True}
    given |= {"serviceurl": azure.url, "retry_delay": "1ms", "max_retries": 1}
    given |= {"credentials": {"type": "default_credentials"}, **more}
    return open_azure(AzureOptions.model_validate(given))


async def test_push_and_pull_by_token(azure: FakeAzure) -> None:
    async with opened(azure) as driver:
        await driver.upload("u").append(pieces(content(MIB)), 0)
        await driver.upload("u").commit("b", MIB)
        assert await get(driver, "b") == content(MIB)

    assert [credential.closed for credential in Credential.opened] == [True]


async def test_application_is_a_credential_too(azure: FakeAzure) -> None:
    client = {"type": "client_secret", "clientid": "c", "tenantid": "t", "secret": "s"}

    async with opened(azure, credentials=client) as driver:
        await put(driver, "a", b"some")


async def test_large_copy_by_token(azure: FakeAzure, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "_AT_ONCE", MIB)
    monkeypatch.setattr(copying, "_BLOCK", MIB)
    data = content(11 * MIB + 3)
    async with opened(azure) as driver:
        await put(driver, "a", data)
        azure.log.clear()

        await driver.copy("a", "b")

    assert azure.blobs["b"].content == data
    assert azure.log.count("PUT block") == 12
    assert "GET" not in azure.log


async def test_links_share_a_delegation_key(azure: FakeAzure) -> None:
    async with opened(azure) as driver:
        azure.log.clear()
        links = [await driver.link("a/b", "GET", 600) for _ in range(3)]

    assert azure.log == ["POST userdelegationkey"]
    parts = urlsplit(links[0] or "")
    query = parse_qs(parts.query)
    assert parts.path == f"/{CONTAINER}/a/b"
    assert (query["sp"], query["spr"], query["sr"]) == (["r"], ["https"], ["b"])
    assert query["skoid"] == ["oid"]


async def test_links_without_the_right_to_delegate_are_none(
    azure: FakeAzure, caplog: pytest.LogCaptureFixture
) -> None:
    azure.delegates = False

    async with opened(azure) as driver:
        azure.log.clear()
        assert [await driver.link("a", "GET", 600) for _ in range(3)] == [None] * 3

    assert azure.log == ["POST userdelegationkey"]
    assert "Storage Blob Delegator" in caplog.text


async def test_start_without_a_token_says_so(
    azure: FakeAzure, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusing() -> Credential:
        credential = Credential()
        credential.refused = True
        return credential

    monkeypatch.setattr(opening, "DefaultAzureCredential", refusing)

    with pytest.raises(AccessError, match="Entra gave no token") as raised:
        async with opened(azure):
            pass

    assert "secret-in-a-message" not in str(raised.value)
    assert Credential.opened[0].closed


async def test_token_or_key_that_does_not_come_is_not_waited_for(
    azure: FakeAzure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "_SECONDS", 0.05)
    async with opened(azure) as driver:
        await put(driver, "a", b"some")
        Credential.opened[0].stuck = True
        azure.fail("POST", "stuck", comp="userdelegationkey")

        with pytest.raises(UnavailableError):
            await driver.copy("a", "b")
        assert await driver.link("a", "GET", 600) is None
