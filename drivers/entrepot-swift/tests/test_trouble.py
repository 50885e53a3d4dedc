"""What the driver makes of tokens that end, throttling, quotas and answers that are lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from swift_fake import MIB, Fault, SwiftFake

from entrepot.core import (
    AccessError,
    DeleteError,
    ExistsError,
    FullError,
    StorageError,
    UnavailableError,
)
from entrepot.core.testing.material import content, get, keys, pieces, put
from entrepot_swift import pausing
from entrepot_swift.opening import opened

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pausing, "_LONGEST", 0.01)


def putting(request: httpx2.Request) -> bool:
    return request.method == "PUT" and "/files/" in request.url.path


async def test_token_that_ends_in_the_middle_of_an_upload(fake: SwiftFake) -> None:
    """Each segment goes on with a new token, and with the same bytes."""
    data = content(5 * MIB)

    async def ending() -> AsyncIterator[bytes]:
        async for piece in pieces(data):
            fake.keystone.forget()
            yield piece

    async with opened(fake.options(), fake.transport) as driver:
        await driver.upload("u").append(ending(), 0)
        fake.keystone.forget()
        await driver.upload("u").commit("b", len(data))

        assert await get(driver, "b") == data
    assert len(fake.keystone.asked) > 5


async def test_token_is_renewed_before_it_ends(fake: SwiftFake) -> None:
    fake.keystone.life = 0.5
    async with opened(fake.options(), fake.transport) as driver:
        for _ in range(2):
            await asyncio.sleep(0.46)
            await put(driver, "a")

    assert len(fake.keystone.asked) == 3
    assert [each for each in fake.requests if each.url.path.endswith("/a")]


async def test_many_wait_for_one_token(fake: SwiftFake) -> None:
    async with opened(fake.options(), fake.transport) as driver:
        fake.keystone.forget()
        await asyncio.gather(*(put(driver, f"a/{number}") for number in range(30)))

    assert len(fake.keystone.asked) == 2


async def test_many_share_the_failure_to_get_a_token(fake: SwiftFake) -> None:
    async with opened(fake.options(retries=1), fake.transport) as driver:
        fake.keystone.forget()
        fake.keystone.down = True
        outcomes = await asyncio.gather(
            *(driver.stat(f"a/{number}") for number in range(30)), return_exceptions=True
        )

    assert {type(outcome) for outcome in outcomes} == {UnavailableError}
    assert len([each for each in fake.requests if "keystone" in each.url.host]) == 1 + 2


async def test_token_that_is_never_taken(fake: SwiftFake) -> None:
    async with opened(fake.options(), fake.transport) as driver:
        fake.faults = [Fault(lambda request: "/files/" in request.url.path, 401, times=9)]

        with pytest.raises(AccessError):
            await driver.stat("a")
    assert len(fake.keystone.asked) == 2


@pytest.mark.parametrize("status", [408, 429, 498, 500, 502, 503, 504])
async def test_trouble_that_passes(fake: SwiftFake, status: int) -> None:
    async with opened(fake.options(), fake.transport) as driver:
        fake.faults = [Fault(putting, status, {"Retry-After": "1"}, times=4)]
        await put(driver, "a", b"content")

        assert await get(driver, "a") == b"content"


REFUSALS: list[tuple[int, type[StorageError]]] = [
    (403, AccessError),
    (413, FullError),
    (429, UnavailableError),
    (503, UnavailableError),
    (507, FullError),
]


@pytest.mark.parametrize(("status", "kind"), REFUSALS)
async def test_refusal_of_a_segment_leaves_nothing(
    fake: SwiftFake, status: int, kind: type[StorageError]
) -> None:
    async with opened(fake.options(), fake.transport) as driver:
        fake.faults = [
            Fault(lambda request: request.url.path.endswith(f"{2 * MIB:020d}"), status, times=9)
        ]
        with pytest.raises(kind) as raised:
            await put(driver, "a", content(4 * MIB))

    assert raised.value.key == "a"
    assert fake.names() == []


@pytest.mark.parametrize("status", [403, 413, 507])
async def test_refusal_of_a_manifest_leaves_what_there_was(fake: SwiftFake, status: int) -> None:
    old = content(2 * MIB, seed=1)
    async with opened(fake.options(), fake.transport) as driver:
        await put(driver, "a", old)
        before = fake.names()
        fake.faults = [Fault(putting, status, times=9)]
        with pytest.raises(StorageError):
            await put(driver, "a", content(4 * MIB))

        assert await get(driver, "a") == old
    assert fake.names() == before


async def test_manifest_whose_answer_is_lost_keeps_its_segments(fake: SwiftFake) -> None:
    """Nobody knows, so nothing may be removed: the object may be there, and here it is."""
    data = content(3 * MIB)
    async with opened(fake.options(retries=1), fake.transport) as driver:
        fake.faults = [Fault(putting, lost=True, times=9)]
        with pytest.raises(UnavailableError):
            await put(driver, "a", data)

        assert await get(driver, "a") == data


async def test_create_whose_answer_is_lost(fake: SwiftFake) -> None:
    async with opened(fake.options(), fake.transport) as driver:
        fake.faults = [Fault(putting, lost=True)]
        await put(driver, "a", b"mine", create=True)
        with pytest.raises(ExistsError):
            await put(driver, "a", b"other", create=True)

        assert await get(driver, "a") == b"mine"


async def test_create_that_swift_let_through_beside_another(fake: SwiftFake) -> None:
    """Both were told that they created; the one that was overwritten finds out."""
    async with opened(fake.options(), fake.transport) as driver:

        def overwrite(request: httpx2.Request) -> bool:
            if request.method == "HEAD":
                fake.put("some/where/files/a", b"of another")
            return False

        fake.faults = [Fault(overwrite)]
        with pytest.raises(ExistsError):
            await put(driver, "a", b"mine", create=True)

        assert await get(driver, "a") == b"of another"


async def test_missing_container_is_no_absence(fake: SwiftFake) -> None:
    async with opened(fake.options(), fake.transport) as driver:
        del fake.containers["images"]
        with pytest.raises(AccessError, match="no container 'images'"):
            await put(driver, "a")
        with pytest.raises(AccessError, match="no container 'images'"):
            await keys(driver)


@pytest.mark.parametrize(("method", "said"), [("PUT", "cannot be made"), ("HEAD", "Swift refuses")])
async def test_container_that_may_not_be_made_or_looked_at(
    fake: SwiftFake, method: str, said: str
) -> None:
    fake.faults = [Fault(lambda request: request.method == method, 403, times=9)]

    with pytest.raises(AccessError, match=f"container 'images'.*{said}.*403"):
        async with opened(fake.options(), fake.transport):
            pass
    assert fake.containers == {}


async def test_container_that_is_over_its_quota_keeps_what_is_there(fake: SwiftFake) -> None:
    """An upload that does not fit is refused at once, and goes on when there is room again."""
    data = content(3 * MIB)
    async with opened(fake.options(), fake.transport) as driver:
        await driver.upload("u").append(pieces(data[:MIB]), 0)
        fake.faults = [Fault(lambda request: request.method == "PUT", 413, times=2)]
        with pytest.raises(FullError, match="quota"):
            await driver.upload("u").append(pieces(data[MIB:]), MIB)

        assert len([each for each in fake.faults if each.times == 1]) == 1, "it was not tried again"
        assert await driver.upload("u").size() == MIB
        fake.faults = []
        await driver.upload("u").append(pieces(data[MIB:]), MIB)
        await driver.upload("u").commit("b", len(data))
        assert await get(driver, "b") == data


async def test_deletion_that_fails_for_one_key(fake: SwiftFake) -> None:
    named = [f"a/{number}" for number in range(7)]
    async with opened(fake.options(retries=0), fake.transport) as driver:
        for key in named:
            await put(driver, key)
        fake.faults = [
            Fault(lambda request: "bulk-delete" in request.url.params, 503, times=9),
            Fault(lambda request: request.method == "DELETE" and "/a/3" in request.url.path, 503),
        ]
        with pytest.raises(DeleteError) as raised:
            await driver.delete(named)

        assert list(raised.value.failures) == ["a/3"]
        assert await keys(driver) == ["a/3"]


@pytest.mark.parametrize("bulk", [True, False])
async def test_deletion_of_many_is_few_requests(fake: SwiftFake, bulk: bool) -> None:
    assert fake.info is not None
    if not bulk:
        del fake.info["bulk_delete"]
    named = [f"a/{number}" for number in range(12)]
    async with opened(fake.options(), fake.transport) as driver:
        for key in named:
            await put(driver, key)
        before = len(fake.requests)
        await driver.delete([*named, "missing"])

    assert fake.names() == []
    sent = [each.method for each in fake.requests[before:]]
    assert sent.count("POST") == (3 if bulk else 0)
    assert sent.count("DELETE") == (0 if bulk else 13)


@pytest.mark.parametrize("info", [None, {"slo": {}}])
async def test_cluster_that_says_little(fake: SwiftFake, info: dict[str, Any] | None) -> None:
    fake.info = info
    async with opened(fake.options(), fake.transport) as driver:
        for number in range(120):
            await put(driver, f"a/{number:03d}")

        assert len(await keys(driver)) == 120
        assert await driver.link("a/000", "GET", 60) is None


async def test_cluster_without_large_objects(fake: SwiftFake) -> None:
    fake.info = {"swift": {}}
    with pytest.raises(AccessError, match="static large objects"):
        async with opened(fake.options(), fake.transport):
            pass
