"""The azure driver when Azure fails, on a strict fake: what an emulator cannot be made to show."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Any

import pytest
from aiohttp import web
from tests.drivers.azure_fake import CONTAINER, Blob, FakeAzure, fake_azure

from entrepot.core import (
    AccessError,
    DeleteError,
    Driver,
    Entry,
    ExistsError,
    NotFoundError,
    OffsetError,
    UnavailableError,
)
from entrepot.core.streams import drain, once
from entrepot.core.testing.material import MIB, content, get, keys, pieces, put
from entrepot.drivers.azure import AzureOptions, open_azure

KEY = "c2VjcmV0LWtleQ=="
LARGE = 12 * MIB

pytestmark = pytest.mark.anyio


@pytest.fixture
async def azure() -> AsyncGenerator[FakeAzure, None]:
    async with fake_azure() as fake:
        yield fake


def opened(azure: FakeAzure, **more: Any) -> AbstractAsyncContextManager[Driver]:
    given: dict[str, Any] = {"accountname": "acme", "accountkey": KEY, "container": CONTAINER}
    given |= {"serviceurl": azure.url, "retry_delay": "1ms", "max_retries": 2, **more}
    return open_azure(AzureOptions.model_validate(given))


@pytest.fixture
async def driver(azure: FakeAzure) -> AsyncGenerator[Driver, None]:
    async with opened(azure) as driver:
        azure.log.clear()
        yield driver


async def test_busy_service_is_asked_again(azure: FakeAzure, driver: Driver) -> None:
    await put(driver, "a", b"some")
    fault = azure.fail("HEAD", "503 ServerBusy", times=2)

    assert (await driver.stat("a")).size == 4
    assert fault.met == 2


async def test_service_that_stays_busy_is_unavailable(azure: FakeAzure, driver: Driver) -> None:
    fault = azure.fail("HEAD", "503 ServerBusy", times=10)

    with pytest.raises(UnavailableError, match="503 ServerBusy"):
        await driver.stat("a")

    assert fault.met == 3


async def test_absence_is_only_what_azure_calls_so(azure: FakeAzure, driver: Driver) -> None:
    for told, error in (
        ("404", UnavailableError),
        ("404 ContainerNotFound", AccessError),
        ("403 AuthorizationPermissionMismatch", AccessError),
        ("500 InternalError", UnavailableError),
    ):
        azure.faults.clear()
        azure.fail("HEAD", told, times=3)
        with pytest.raises(error):
            await driver.stat("a")


async def test_refused_signature_of_a_wrong_clock_is_explained(
    azure: FakeAzure, driver: Driver
) -> None:
    azure.date = "Mon, 01 Jan 2024 00:00:00 GMT"
    azure.fail("HEAD", "403 AuthenticationFailed")

    with pytest.raises(AccessError, match=r"clock is .* seconds ahead of Azure's"):
        await driver.stat("a")


async def test_create_whose_answer_is_lost_is_no_conflict(azure: FakeAzure, driver: Driver) -> None:
    for key, data, comp in (("a", b"mine", ""), ("b", content(LARGE), "blocklist")):
        azure.fail("PUT", "lost", comp=comp)

        entry = await driver.write(key, pieces(data), create=True)

        assert entry.size == len(data)
        assert await get(driver, key) == data


async def test_create_that_was_sent_twice_unseen_is_no_conflict(
    azure: FakeAzure, driver: Driver
) -> None:
    """As aiohttp may do when a connection breaks."""
    azure.fail("PUT", "twice")

    assert (await driver.write("a", once(b"mine"), create=True)).size == 4
    assert await get(driver, "a") == b"mine"


async def test_create_whose_answer_is_lost_and_was_too_late(
    azure: FakeAzure, driver: Driver
) -> None:
    await put(driver, "a", b"theirs")
    azure.fail("PUT", "lost")

    with pytest.raises(ExistsError):
        await driver.write("a", once(b"mine"), create=True)

    assert await get(driver, "a") == b"theirs"


async def test_create_of_many_blocks_over_an_old_object(azure: FakeAzure, driver: Driver) -> None:
    azure.blobs["a"] = Blob(b"old", modified="Mon, 01 Jan 2024 00:00:00 GMT")

    with pytest.raises(ExistsError):
        await driver.write("a", pieces(content(LARGE)), create=True)

    assert azure.blobs["a"].content == b"old"


async def test_append_whose_answer_is_lost_is_in_once(azure: FakeAzure, driver: Driver) -> None:
    upload = driver.upload("u")
    azure.fail("PUT", "lost")
    assert await upload.append(once(b"one"), 0) == 3
    azure.fail("PUT", "lost", comp="blocklist")
    assert await upload.append(once(b"two"), 3) == 6

    await upload.commit("b", 6)

    assert await get(driver, "b") == b"onetwo"


async def test_read_goes_on_where_the_connection_broke(azure: FakeAzure, driver: Driver) -> None:
    await put(driver, "a", content(LARGE))
    azure.fail("GET", "cut", times=3)

    assert await get(driver, "a") == content(LARGE)
    assert azure.log.count("GET") == 4


async def test_read_of_what_is_replaced_behind_a_cut_fails(
    azure: FakeAzure, driver: Driver
) -> None:
    await put(driver, "a", content(LARGE))
    azure.fail("GET", "cut")

    async with aclosing(driver.read("a")) as chunks:
        await anext(chunks)
        azure.blobs["a"] = Blob(content(LARGE, seed=1))
        with pytest.raises(UnavailableError, match="replaced"):
            await drain(chunks)


async def test_staged_blocks_that_another_write_drops(driver: Driver) -> None:
    """Both end well; the one that was overtaken counts as the earlier one."""
    ours, theirs = content(LARGE), content(LARGE, seed=1)

    async def overtaken() -> AsyncGenerator[bytes, None]:
        yield ours[: 11 * MIB]
        await put(driver, "a", theirs)
        yield ours[11 * MIB :]

    entry = await driver.write("a", overtaken())

    assert entry.size == LARGE
    assert await get(driver, "a") == theirs


async def test_staged_blocks_of_a_key_that_is_gone_are_no_success(
    azure: FakeAzure, driver: Driver
) -> None:
    def robbed(request: web.Request) -> bool:
        if request.query.get("comp") == "blocklist":
            azure.staged.clear()
        return False

    azure.fail("PUT", "503 ServerBusy").when = robbed

    with pytest.raises(UnavailableError, match="dropped"):
        await put(driver, "a", content(LARGE))

    assert azure.blobs == {}


async def test_copy_that_azure_does_not_make_goes_through_the_registry(
    azure: FakeAzure, driver: Driver
) -> None:
    azure.copies = False
    await put(driver, "a", content(LARGE))

    await driver.copy("a", "b")

    assert azure.blobs["b"].content == content(LARGE)


async def test_commit_of_an_upload_that_goes_on_meanwhile(azure: FakeAzure, driver: Driver) -> None:
    upload = driver.upload("u")
    await upload.append(once(b"one"), 0)

    def grows(_: object) -> bool:
        azure.blobs["u/data"] = Blob(b"onetwo")
        return False

    fault = azure.fail("PUT", "503 ServerBusy")
    fault.when = grows
    with pytest.raises(OffsetError):
        await upload.commit("b", 3)

    assert "b" not in azure.blobs


async def test_delete_tells_each_key_that_is_left(azure: FakeAzure, driver: Driver) -> None:
    for key in "abcde":
        await put(driver, key)
    fault = azure.fail("DELETE", "409 BlobImmutableDueToPolicy", times=2)
    fault.when = lambda request: request.method == "DELETE" and request.path[-1] in "bd"

    with pytest.raises(DeleteError) as raised:
        await driver.delete(["a", "b", "c", "d", "e", "f"])

    assert sorted(raised.value.failures) == ["b", "d"]
    assert sorted(azure.blobs) == ["b", "d"]


async def test_scan_from_the_middle_of_an_older_service(azure: FakeAzure, driver: Driver) -> None:
    for number in range(1500):
        azure.blobs[f"m/{number:04d}"] = Blob(b"")

    assert await keys(driver, "m/", after="m/1203") == [f"m/{n:04d}" for n in range(1204, 1500)]


@pytest.mark.parametrize("names", ["docker/x", "/docker/x"])
async def test_layout_is_that_of_what_is_there(azure: FakeAzure, names: str) -> None:
    azure.blobs[names] = Blob(b"old")

    async with opened(azure) as driver:
        assert azure.log == ["GET list"] * 2
        assert await get(driver, "docker/x") == b"old"
        assert await keys(driver) == ["docker/x"]
        await put(driver, "docker/y", b"new")

    assert set(azure.blobs) == {names, names[:-1] + "y"}


async def test_both_layouts_give_a_warning(
    azure: FakeAzure, caplog: pytest.LogCaptureFixture
) -> None:
    azure.blobs |= {"docker/x": Blob(b"new"), "/docker/x": Blob(b"old")}

    async with opened(azure) as driver:
        assert await get(driver, "docker/x") == b"new"
        assert "legacyrootprefix" in caplog.text
    async with opened(azure, legacyrootprefix=True) as driver:
        assert await get(driver, "docker/x") == b"old"


@pytest.mark.parametrize(
    ("told", "error", "said"),
    [
        ("403 AuthenticationFailed", AccessError, "check the credentials"),
        ("404 ContainerNotFound", AccessError, "'registry' .* does not exist"),
        ("503 ServerBusy", UnavailableError, "503 ServerBusy"),
    ],
)
async def test_start_fails_with_what_is_wrong(
    azure: FakeAzure, told: str, error: type[Exception], said: str
) -> None:
    azure.fail("GET", told, comp="list", times=10)

    with pytest.raises(error, match=said) as raised:
        async with opened(azure):
            pass

    assert KEY not in str(raised.value)


async def test_start_without_a_service_fails(azure: FakeAzure) -> None:
    with pytest.raises(UnavailableError, match="reachable"):
        async with opened(azure, serviceurl="http://127.0.0.1:9"):
            pass


async def test_stuck_service_does_not_hold_who_is_cancelled(
    azure: FakeAzure, driver: Driver
) -> None:
    azure.fail("HEAD", "stuck")

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await driver.stat("a")

    with pytest.raises(NotFoundError):
        await driver.stat("a")


async def test_reads_left_early_leave_room_for_others(azure: FakeAzure) -> None:
    async with opened(azure, maxconcurrency=1) as driver:
        await put(driver, "a", content(LARGE))
        for _ in range(20):
            async with aclosing(driver.read("a")) as chunks:
                await anext(chunks)

        assert await get(driver, "a", 5, 9) == content(LARGE)[5:9]


async def test_requests_of_a_push(azure: FakeAzure, driver: Driver) -> None:
    """Of up to 5 MiB in one append: one request; its commit: look, copy, remove."""
    upload = driver.upload("u")

    await upload.append(pieces(content(MIB)), 0)
    assert azure.log == ["PUT"]
    entry = await upload.commit("b", MIB)

    assert isinstance(entry, Entry)
    assert azure.log == ["PUT", "HEAD", "PUT", "DELETE"]
    assert set(azure.blobs) == {"b"}
