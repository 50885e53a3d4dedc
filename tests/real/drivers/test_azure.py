"""The driver contract on a real server: Azurite."""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import AsyncGenerator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import ClassVar

import pytest
from azure.storage.blob import generate_container_sas
from azure.storage.blob.aio import ContainerClient
from tests.real.drivers.azure_container import new_container, options_for
from tests.services.running import Service, require_service

from entrepot.core import AccessError
from entrepot.core.streams import once
from entrepot.core.testing import DriverSuite, Opening
from entrepot.core.testing.material import MIB, content, folder, get, keys, pieces, put
from entrepot.drivers.azure import AzureOptions, open_azure

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def azurite() -> Service:
    return require_service("azurite")


@pytest.fixture
async def container(azurite: Service) -> AsyncGenerator[ContainerClient, None]:
    async with new_container(azurite) as container:
        yield container


class TestAzureOnAzurite(DriverSuite):
    many = 1_500
    lowered: ClassVar[Mapping[str, str]] = {
        "many": "the emulator deletes some thirty blobs in a second; this is two pages"
    }

    @pytest.fixture
    def open_driver(self, azurite: Service, container: ContainerClient) -> Opening:
        return partial(open_azure, options_for(azurite, container.container_name))


async def test_names_of_distribution_2(azurite: Service, container: ContainerClient) -> None:
    """All operations on names that begin with a slash, found without being told."""
    await container.upload_blob("/docker/a/old", b"old")

    async with open_azure(options_for(azurite, container.container_name)) as driver:
        assert await get(driver, "docker/a/old") == b"old"
        await driver.upload("docker/u").append(pieces(content(6 * MIB)), 0)
        await driver.upload("docker/u").commit("docker/a/new", 6 * MIB)
        await driver.move("docker/a/old", "docker/b")
        assert await keys(driver) == ["docker/a/new", "docker/b"]
        assert await folder(driver, "docker/") == ["<docker/a/>", "docker/b"]
        assert await keys(driver, after="docker/a/new") == ["docker/b"]
        names = [name async for name in container.list_blob_names()]
        assert names == ["/docker/a/new", "/docker/b"]
        url = await driver.link("docker/b", "GET", 60)
        assert url is not None
        assert await asyncio.to_thread(_fetched, url) == b"old"

        await driver.delete(["docker/a/new", "docker/b", "docker/c", "docker/d"])

    assert [name async for name in container.list_blob_names()] == []


def _fetched(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=60) as answer:
        data: bytes = answer.read()
    return data


async def test_start_by_connection_string(azurite: Service, container: ContainerClient) -> None:
    options = AzureOptions.model_validate(
        {"connectionstring": azurite["connectionstring"], "container": container.container_name}
    )

    async with open_azure(options) as driver:
        await put(driver, "a", b"some")
        assert await get(driver, "a") == b"some"
        assert await driver.link("a", "GET", 60) is not None


async def test_start_by_shared_access_signature(
    azurite: Service, container: ContainerClient
) -> None:
    """It is for the registry alone, so there are no links; copies are allowed by it, too."""
    signature = generate_container_sas(
        azurite["accountname"],
        container.container_name,
        account_key=azurite["accountkey"],
        permission="racwdl",
        expiry=datetime.now(UTC) + timedelta(hours=1),
    )
    text = f"BlobEndpoint={azurite['serviceurl']};SharedAccessSignature={signature}"
    options = AzureOptions.model_validate(
        {"connectionstring": text, "container": container.container_name}
    )

    async with open_azure(options) as driver:
        await put(driver, "a", b"some")
        await driver.move("a", "b")
        assert await get(driver, "b") == b"some"
        assert await driver.link("b", "GET", 60) is None
        await driver.delete(["b"])


async def test_start_with_a_wrong_key(azurite: Service, container: ContainerClient) -> None:
    options = options_for(azurite, container.container_name, accountkey="d3Jvbmc=")

    with pytest.raises(AccessError, match="check the credentials"):
        async with open_azure(options):
            pass


async def test_start_without_the_container(azurite: Service) -> None:
    with pytest.raises(AccessError, match=r"'no-such-container' .* does not exist"):
        async with open_azure(options_for(azurite, "no-such-container")):
            pass


async def test_many_small_appends_are_few_blocks(
    azurite: Service, container: ContainerClient
) -> None:
    data = content(150 * 32)
    async with open_azure(options_for(azurite, container.container_name)) as driver:
        for at in range(0, len(data), 32):
            await driver.upload("u").append(once(data[at : at + 32]), at)
        committed, _ = await container.get_blob_client("u/data").get_block_list("committed")
        await driver.upload("u").commit("a", len(data))

        assert await get(driver, "a") == data
    assert len(committed) <= 70
