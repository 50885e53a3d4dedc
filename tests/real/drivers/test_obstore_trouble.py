"""What `entrepot-obstore` says when a store refuses, and leaves when a stream breaks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import suppress

import pytest
from tests.real.drivers.obstore_stores import (
    azure_container,
    azure_options,
    s3_bucket,
    s3_client,
    s3_options,
)
from tests.real.servers import free_port
from tests.services.running import Service, require_service

from entrepot.core import AccessError, Driver, StorageError, UnavailableError
from entrepot_obstore import ObstoreOptions, open_obstore

pytestmark = pytest.mark.anyio
MIB = 1024 * 1024
SECRET = "this-is-a-secret"


@pytest.fixture(scope="module")
def service() -> Service:
    return require_service("seaweedfs")


@pytest.fixture(scope="module")
def bucket(service: Service) -> Generator[str, None, None]:
    with s3_bucket(service) as bucket:
        yield bucket


async def opening_fails(options: ObstoreOptions) -> StorageError:
    """The error of opening, which must come soon and must not tell the secret."""
    began = time.monotonic()
    with pytest.raises(StorageError) as raised:
        async with open_obstore(options):
            pass
    assert time.monotonic() - began < 30
    assert SECRET not in str(raised.value)
    assert SECRET not in repr(raised.value.__context__)
    return raised.value


async def test_wrong_key(service: Service, bucket: str) -> None:
    error = await opening_fails(
        s3_options(service, bucket, config={"secret_access_key": SECRET}, retries=1)
    )

    assert isinstance(error, AccessError)
    assert bucket in str(error)


async def test_missing_bucket(service: Service) -> None:
    error = await opening_fails(s3_options(service, "there-is-no-such-bucket", retries=1))

    assert isinstance(error, AccessError)
    assert "there-is-no-such-bucket" in str(error)


async def test_unreachable_endpoint(service: Service, bucket: str) -> None:
    endpoint = f"http://127.0.0.1:{free_port()}"
    error = await opening_fails(
        s3_options(service, bucket, config={"endpoint": endpoint}, retries=1)
    )

    assert isinstance(error, UnavailableError)
    assert endpoint in str(error)


async def test_setting_that_obstore_does_not_know(service: Service, bucket: str) -> None:
    error = await opening_fails(s3_options(service, bucket, config={"acces_key": SECRET}))

    assert isinstance(error, AccessError)
    assert "acces_key" in str(error)


async def test_missing_container() -> None:
    error = await opening_fails(
        azure_options(require_service("azurite"), "there-is-no-such-container", retries=1)
    )

    assert isinstance(error, AccessError)
    assert "there-is-no-such-container" in str(error)


async def test_wrong_account_key() -> None:
    azurite = require_service("azurite")
    wrong = "d3Jvbmcta2V5LXdyb25nLWtleQ=="
    with azure_container(azurite) as container:
        error = await opening_fails(
            azure_options(azurite, container, config={"account_key": wrong}, retries=1)
        )

    assert isinstance(error, AccessError)
    assert wrong not in str(error)


Action = Callable[[Driver, AsyncIterator[bytes]], Awaitable[object]]
ACTIONS: dict[str, Action] = {
    "write": lambda driver, chunks: driver.write("a", chunks),
    "append": lambda driver, chunks: driver.upload("u/1").append(chunks, 0),
}


@pytest.mark.parametrize("action", ACTIONS)
async def test_broken_stream_leaves_no_multipart_upload(
    action: str, service: Service, bucket: str
) -> None:
    async def broken() -> AsyncIterator[bytes]:
        for _ in range(30):
            yield bytes(MIB)
        raise OSError("the line is cut")

    async with open_obstore(s3_options(service, bucket)) as driver:
        with pytest.raises(OSError, match="the line is cut"):
            await ACTIONS[action](driver, broken())
        await driver.upload("u/1").abort()

    assert uploads_of(service, bucket) == []


@pytest.mark.parametrize("action", ACTIONS)
async def test_cancelled_stream_leaves_no_multipart_upload(
    action: str, service: Service, bucket: str
) -> None:
    waiting = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(30):
            yield bytes(MIB)
        waiting.set()
        await asyncio.Event().wait()

    async with open_obstore(s3_options(service, bucket)) as driver:
        task = asyncio.ensure_future(ACTIONS[action](driver, endless()))
        await asyncio.wait_for(waiting.wait(), 30)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

        assert task.cancelled()
        assert [entry async for entry in driver.scan("")] == []
    assert uploads_of(service, bucket) == []


def uploads_of(service: Service, bucket: str) -> list[str]:
    client = s3_client(service)
    found = client.list_multipart_uploads(Bucket=bucket).get("Uploads", ())
    client.close()
    return [upload["Key"] for upload in found]
