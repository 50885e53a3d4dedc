"""How long the azure driver waits, and whom it believes, on the strict fake."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from aiohttp import web
from tests.drivers.azure_fake import CONTAINER, FakeAzure, fake_azure

from entrepot.core import Driver, UnavailableError
from entrepot.core.streams import once
from entrepot.core.testing.material import content, get, keys, put
from entrepot.drivers.azure import AzureOptions
from entrepot.drivers.azure.opening import opened
from entrepot.drivers.azure.patience import Patience

pytestmark = pytest.mark.anyio


@pytest.fixture
async def azure() -> AsyncGenerator[FakeAzure, None]:
    async with fake_azure() as fake:
        yield fake


def patient(
    azure: FakeAzure, patience: Patience, retries: int = 2
) -> AbstractAsyncContextManager[Driver]:
    given: dict[str, Any] = {"accountname": "acme", "accountkey": "c2VjcmV0LWtleQ=="}
    given |= {"container": CONTAINER, "serviceurl": azure.url}
    given |= {"retry_delay": "1ms", "max_retries": retries}
    return opened(AzureOptions.model_validate(given), patience)


async def test_body_that_stands_still_is_asked_for_anew(azure: FakeAzure) -> None:
    async with patient(azure, Patience(silence=0.2)) as driver:
        await put(driver, "a", content(5000))
        fault = azure.fail("GET", "halt", times=2)

        assert await get(driver, "a") == content(5000)
    assert fault.met == 2


async def test_body_that_always_stands_still_ends_in_time(azure: FakeAzure) -> None:
    async with patient(azure, Patience(silence=0.1, total=0.15)) as driver:
        await put(driver, "a", content(5000))
        fault = azure.fail("GET", "halt", times=99)

        with pytest.raises(UnavailableError, match="broke"):
            await get(driver, "a")
    assert fault.met <= 2


async def test_silence_ends_in_the_time_of_the_options(azure: FakeAzure) -> None:
    given: dict[str, Any] = {"accountname": "acme", "accountkey": "c2VjcmV0LWtleQ=="}
    given |= {"container": CONTAINER, "serviceurl": azure.url, "retry_delay": "1ms"}
    silent = AzureOptions.model_validate(given | {"timeout": "100ms", "max_retries": 2})
    async with opened(silent) as driver:
        fault = azure.fail("HEAD", "stuck", times=99)

        async with asyncio.timeout(30):  # one try alone takes a minute by default
            with pytest.raises(UnavailableError, match="in time"):
                await driver.stat("a")
    assert fault.met == 3


async def test_copy_may_take_longer_than_other_requests(azure: FakeAzure) -> None:
    begun = asyncio.Event()

    def copies(request: web.Request) -> bool:
        if "x-ms-copy-source" not in request.headers:
            return False
        begun.set()
        return True

    async with patient(azure, Patience(answer=0.5, copying=60), retries=0) as driver:
        await put(driver, "a", b"some")
        fault = azure.fail("PUT", "stuck")
        fault.when = copies
        async with asyncio.TaskGroup() as group:
            copy = group.create_task(driver.copy("a", "b"))
            await begun.wait()
            azure.fail("HEAD", "stuck")
            with pytest.raises(UnavailableError):
                await driver.stat("a")  # in the time in which a copy may go on
            azure.released.set()

        assert copy.result().size == 4
    assert fault.met == 1


async def test_answer_of_somebody_else_is_believed_by_nobody(azure: FakeAzure) -> None:
    """A proxy's log-in page is no object, and no empty listing to maintenance."""
    async with patient(azure, Patience()) as driver:
        await put(driver, "a")
        upload = driver.upload("u")
        await upload.append(once(b"one"), 0)
        for method, comp, call in (
            ("GET", "list", keys(driver)),
            ("GET", "", get(driver, "a")),
            ("HEAD", "", driver.stat("a")),
            ("PUT", "", put(driver, "b")),
            ("DELETE", "", driver.upload("u").abort()),
            ("GET", "blocklist", upload.append(once(b"two"), 3)),
        ):
            azure.fail(method, "foreign", comp=comp)
            with pytest.raises(UnavailableError, match="in place of Azure"):
                await call

        assert await keys(driver) == ["a", "u/data"]
        assert await upload.append(once(b"two"), 3) == 6
