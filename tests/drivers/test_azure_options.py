"""The azure driver's part of a configuration: what it takes, and what it says to mistakes."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from pydantic import ValidationError

from entrepot.core import StorageError
from entrepot.core.plugins import Plugins
from entrepot.drivers import azure
from entrepot.drivers.azure import AzureOptions, open_azure

KEY = "c2VjcmV0LWtleQ=="
V2 = {"accountname": "acme", "accountkey": KEY, "container": "registry"}
CLIENT = {"type": "client_secret", "clientid": "c", "tenantid": "t", "secret": "hidden"}


def options(**given: Any) -> AzureOptions:
    return AzureOptions.model_validate(given)


def mistakes(**given: Any) -> str:
    with pytest.raises(ValidationError) as raised:
        options(**given)
    return str(raised.value)


def test_keys_of_distribution_2_are_enough() -> None:
    read = options(**V2, realm="core.chinacloudapi.cn")

    assert read.credentials.type == "shared_key"
    assert read.url == "https://acme.blob.core.chinacloudapi.cn"
    assert read.legacy is None


def test_keys_of_distribution_3() -> None:
    read = options(
        accountname="acme",
        container="registry",
        credentials=CLIENT,
        realm="core.windows.net",
        serviceurl="https://acme.example.com/",
        rootdirectory="/some/folder",
        max_retries=3,
        retry_delay="200ms",
        skipverify=True,
    )

    assert read.url == "https://acme.example.com"
    assert read.retry_delay.seconds == 0.2
    assert read.credentials.secret.get_secret_value() == "hidden"


def test_default_credentials_need_an_account_only() -> None:
    read = options(
        accountname="acme", container="registry", credentials={"type": "default_credentials"}
    )

    assert read.url == "https://acme.blob.core.windows.net"


def test_connection_string_is_enough() -> None:
    text = f"DefaultEndpointsProtocol=https;AccountName=acme;AccountKey={KEY}"

    assert options(container="registry", connectionstring=text).url == ""


@pytest.mark.parametrize("given", [{"legacyrootprefix": True}, {"trimlegacyrootprefix": False}])
def test_names_with_a_slash_in_front_can_be_asked_for(given: dict[str, bool]) -> None:
    assert options(**V2, **given).legacy is True


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"container": "registry"}, "accountname is required"),
        ({"accountname": "acme", "container": "registry"}, "accountkey is required"),
        (V2 | {"accountkey": "not base64!"}, "base64"),
        (V2 | {"accountkey": "c2VjcmV0…"}, "base64"),
        (V2 | {"container": "Registry_1"}, "container"),
        (V2 | {"credentials": CLIENT}, "accountkey is for credentials of type 'shared_key'"),
        (V2 | {"credentials": {"type": "msi"}}, "credentials.type"),
        (V2 | {"credentials": {"secret": "hidden"}}, "secret is for type 'client_secret'"),
        (
            {"accountname": "acme", "container": "registry"}
            | {"credentials": {"type": "client_secret", "clientid": "c"}},
            "needs tenantid, secret, too",
        ),
        (V2 | {"connectionstring": f"AccountName=a;AccountKey={KEY}"}, "accountkey, accountname"),
        ({"container": "registry", "connectionstring": "nonsense"}, "wanted is AccountName="),
        (V2 | {"legacyrootprefix": True, "trimlegacyrootprefix": True}, "opposite things"),
        (V2 | {"legacyrootprefix": True, "rootdirectory": "x"}, "empty rootdirectory"),
        (V2 | {"serviceurl": "acme.example.com"}, "serviceurl"),
        (V2 | {"retry_delay": "soon"}, "retry_delay"),
        (V2 | {"max_retries": -1}, "max_retries"),
        (V2 | {"chunksize": 5}, "chunksize"),
    ],
)
def test_mistake_is_explained(given: dict[str, Any], said: str) -> None:
    told = mistakes(**given)

    assert said in told
    assert KEY not in told
    assert "hidden" not in told


def test_secrets_are_not_shown() -> None:
    shown = repr(options(**V2)) + repr(
        options(accountname="acme", container="registry", credentials=CLIENT)
    )

    assert KEY not in shown
    assert "hidden" not in shown


def test_driver_registers_without_its_client_library() -> None:
    plugins = Plugins()

    plugins.add(azure, "azure")

    assert plugins.driver("azure").options is AzureOptions


@pytest.mark.anyio
async def test_missing_client_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "entrepot.drivers.azure.opening", None)

    with pytest.raises(StorageError, match=r"pip install entrepot\[azure\]"):
        async with open_azure(options(**V2)):
            pass


def test_every_key_is_described() -> None:
    for name, field in AzureOptions.model_fields.items():
        assert field.description, name
