"""What the driver makes of refusals, of answers that are lost, and of processes that died."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import httpx2
import pytest
from oss_fake import MIB, Fault, OssFake, Seen
from oss_material import MakeOptions

from entrepot.core import (
    AccessError,
    DeleteError,
    ExistsError,
    FullError,
    OffsetError,
    StorageError,
    UnavailableError,
)
from entrepot.core.testing.material import content, get, keys, pieces, put
from entrepot_oss import client, copying
from entrepot_oss.opening import opened

pytestmark = pytest.mark.anyio
TOKEN = "_uploads/one"


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_LONGEST_PAUSE", 0.01)


def sent(method: str, *asked: str, name: str = "") -> Callable[[Seen], bool]:
    """Whether a request has that method and parameters, and is about such an object."""
    return lambda seen: (
        seen.method == method and {*asked} <= seen.query.keys() and seen.name.endswith(name)
    )


@pytest.mark.parametrize(
    ("status", "code"),
    [(500, "InternalError"), (503, "ServiceUnavailable"), (503, "SlowDown"), (429, ""), (502, "")],
)
async def test_trouble_that_passes(
    fake: OssFake, options: MakeOptions, status: int, code: str
) -> None:
    async with opened(options(), fake.transport) as driver:
        fake.faults = [Fault(sent("PUT"), status, code, times=4, headers={"retry_after": "1"})]
        await put(driver, "a", b"content")

        assert await get(driver, "a") == b"content"


@pytest.mark.parametrize(
    ("status", "code", "kind", "tries"),
    [
        (403, "AccessDenied", AccessError, 1),
        (403, "QuotaExceeded", FullError, 1),
        (400, "InvalidArgument", UnavailableError, 1),
        (503, "SlowDown", UnavailableError, 3),
    ],
)
async def test_trouble_that_stays(
    fake: OssFake,
    options: MakeOptions,
    status: int,
    code: str,
    kind: type[StorageError],
    tries: int,
) -> None:
    async with opened(options(retries=2), fake.transport) as driver:
        fake.faults = [Fault(sent("PUT"), status, code, times=99)]
        with pytest.raises(kind) as raised:
            await put(driver, "a")

    assert raised.value.key == "a"
    assert len([seen for seen in fake.seen if seen.method == "PUT"]) == tries


async def test_server_that_never_answers(options: MakeOptions) -> None:
    async def stall(_: httpx2.Request) -> httpx2.Response:
        await asyncio.sleep(60)
        raise AssertionError("nobody waits so long")

    began = time.monotonic()
    with pytest.raises(UnavailableError, match="does not answer in time"):
        async with opened(options(timeout=0.2, retries=1), httpx2.MockTransport(stall)):
            pass

    assert time.monotonic() - began < 10


async def test_missing_bucket_is_no_absence(
    fake: OssFake, options: MakeOptions, bucket: str
) -> None:
    async with opened(options(), fake.transport) as driver:
        del fake.buckets[bucket]
        for call in (driver.stat("a"), get(driver, "a"), put(driver, "a"), keys(driver)):
            with pytest.raises(AccessError, match="bucket does not exist"):
                await call


# -- answers that are lost --------------------------------------------------------------


@pytest.mark.parametrize("size", [7, 6 * MIB])
async def test_create_whose_answer_is_lost(fake: OssFake, options: MakeOptions, size: int) -> None:
    """By itself, or as the end of a multipart upload; the second try finds its own object."""
    mine = content(size)
    async with opened(options(chunksize=5 * MIB), fake.transport) as driver:
        last = sent("POST", "uploadId") if size > 7 else sent("PUT")
        fake.faults = [Fault(last)]
        await put(driver, "a", mine, create=True)
        with pytest.raises(ExistsError):
            await put(driver, "a", b"other", create=True)

        assert await get(driver, "a") == mine


@pytest.mark.parametrize("lost", [("POST", "uploadId"), ("PUT",), ("POST", "delete")])
async def test_commit_whose_answers_are_lost(
    fake: OssFake, options: MakeOptions, bucket: str, lost: tuple[str, ...]
) -> None:
    data = content(3 * MIB)
    async with opened(options(), fake.transport) as driver:
        upload = driver.upload(TOKEN)
        await upload.append(pieces(data), 0)
        fake.faults = [Fault(sent(*lost))]
        entry = await upload.commit("b", len(data))

        assert entry.size == len(data)
        assert await get(driver, "b") == data
        assert await keys(driver) == ["b"]
    assert fake.buckets[bucket].uploads == {}


@pytest.mark.parametrize("step", [("POST", "uploadId"), ("PUT",), ("POST", "delete")])
async def test_commit_that_failed_is_made_again(
    fake: OssFake, options: MakeOptions, bucket: str, step: tuple[str, ...]
) -> None:
    """Each step is done, the process that asked for it is gone, and another one commits."""
    data = content(3 * MIB)
    async with opened(options(retries=0), fake.transport) as driver:
        await driver.upload(TOKEN).append(pieces(data), 0)
        fake.faults = [
            Fault(sent(*step, name="/b" if step == ("PUT",) else ""), times=1),
            Fault(sent("HEAD"), 503, times=9),
        ]
        with pytest.raises(StorageError):
            await driver.upload(TOKEN).commit("b", len(data))
        fake.faults = []
        await driver.upload(TOKEN).commit("b", len(data))

        assert await get(driver, "b") == data
        assert await keys(driver) == ["b"]
    assert fake.buckets[bucket].uploads == {}


# -- uploads ----------------------------------------------------------------------------


async def test_parts_of_an_append_that_was_cut_short_are_found(
    fake: OssFake, options: MakeOptions
) -> None:
    """By OSS's list of parts: no record says how far the process came that is gone."""
    data = content(13 * MIB)

    async def endless() -> AsyncIterator[bytes]:
        async for piece in pieces(data[1000:], MIB):
            yield piece
        await asyncio.sleep(60)

    async with opened(options(chunksize=5 * MIB), fake.transport) as driver:
        await driver.upload(TOKEN).append(pieces(data[:1000]), 0)
        task = asyncio.create_task(driver.upload(TOKEN).append(endless(), 1000))
        while len([seen for seen in fake.seen if "partNumber" in seen.query]) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        upload = driver.upload(TOKEN)
        size = await upload.size()
        assert 10 * MIB <= size < len(data)
        await upload.append(pieces(data[size:]), size)
        await driver.upload(TOKEN).commit("b", len(data))

        assert await get(driver, "b") == data


async def test_part_of_somebody_who_was_overtaken_does_not_count(
    fake: OssFake, options: MakeOptions, bucket: str
) -> None:
    async with opened(options(), fake.transport) as driver:
        await driver.upload(TOKEN).append(pieces(content(2 * MIB)), 0)
        ((id_, upload),) = fake.buckets[bucket].uploads.items()
        fake.buckets[bucket].uploads[id_].parts[40] = upload.parts[1]

        assert await driver.upload(TOKEN).size() == 2 * MIB
        await driver.upload(TOKEN).append(pieces(content(MIB, seed=1)), 2 * MIB)
        await driver.upload(TOKEN).commit("b", 3 * MIB)

        assert await get(driver, "b") == content(2 * MIB) + content(MIB, seed=1)


async def test_abort_frees_what_no_record_names(
    fake: OssFake, options: MakeOptions, bucket: str
) -> None:
    """What a crash left, what Distribution 2 began, and nothing of a neighbour."""
    root = f"some/where/{TOKEN}"
    async with opened(options(), fake.transport) as driver:
        await driver.upload(TOKEN).append(pieces(content(2 * MIB)), 0)
        for name in (f"{root}/data/object", f"{root}/data", f"{root}1/data"):
            fake.buckets[bucket].begin(name, {})

        await driver.upload(TOKEN).abort()

        assert await keys(driver) == []
        assert await driver.upload(TOKEN).size() == 0
    assert [each.name for each in fake.buckets[bucket].uploads.values()] == [f"{root}1/data"]


async def test_upload_that_was_aborted_meanwhile(fake: OssFake, options: MakeOptions) -> None:
    data = content(8 * MIB)

    async with opened(options(chunksize=5 * MIB), fake.transport) as driver:

        async def chunks() -> AsyncIterator[bytes]:
            yield data[: 6 * MIB]
            await driver.upload(TOKEN).abort()
            yield data[6 * MIB :]

        with pytest.raises(OffsetError):
            await driver.upload(TOKEN).append(chunks(), 0)
        await driver.upload(TOKEN).abort()

        assert await keys(driver) == []


async def test_commit_that_oss_cannot_do_now_is_no_end_of_the_upload(
    fake: OssFake, options: MakeOptions
) -> None:
    data = content(2 * MIB)
    async with opened(options(), fake.transport) as driver:
        await driver.upload(TOKEN).append(pieces(data), 0)
        fake.faults = [Fault(sent("POST", "uploadId"), 500, "InternalError", times=99)]
        with pytest.raises(UnavailableError):
            await driver.upload(TOKEN).commit("b", len(data))
        fake.faults = []

        assert await driver.upload(TOKEN).size() == len(data)
        await driver.upload(TOKEN).commit("b", len(data))
        assert await get(driver, "b") == data


async def test_commit_that_an_abort_overtook(
    fake: OssFake, options: MakeOptions, bucket: str
) -> None:
    data = content(2 * MIB)
    name = f"some/where/{TOKEN}/data/object"

    def remove(seen: Seen) -> bool:
        if "x-oss-copy-source" in seen.headers:
            fake.buckets[bucket].delete(name)
        return False

    async with opened(options(), fake.transport) as driver:
        upload = driver.upload(TOKEN)
        await upload.append(pieces(data), 0)
        fake.faults = [Fault(remove)]
        with pytest.raises(OffsetError):
            await upload.commit("b", len(data))
        await driver.upload(TOKEN).abort()

        assert await keys(driver) == []


@pytest.mark.parametrize("fails", [("PUT", "partNumber"), ("POST", "uploadId")])
async def test_large_write_that_is_refused_leaves_nothing(
    fake: OssFake, options: MakeOptions, bucket: str, fails: tuple[str, ...]
) -> None:
    async with opened(options(chunksize=5 * MIB), fake.transport) as driver:
        await put(driver, "a", b"old")
        fake.faults = [Fault(sent(*fails), 403, "AccessDenied", times=9)]
        with pytest.raises(AccessError):
            await put(driver, "a", content(11 * MIB))

        assert await get(driver, "a") == b"old"
    assert fake.buckets[bucket].uploads == {}


# -- what one request does not do -------------------------------------------------------


async def test_copy_of_what_one_request_does_not_take(
    fake: OssFake, options: MakeOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = content(7 * MIB + 3)
    fake.copied = 4 * MIB
    monkeypatch.setattr(copying, "_WHOLE", 4 * MIB)
    monkeypatch.setattr(copying, "_PART", 2 * MIB)
    async with opened(options(), fake.transport) as driver:
        await put(driver, "a", data)
        await driver.copy("a", "b")
        upload = driver.upload(TOKEN)
        await upload.append(pieces(data), 0)
        await upload.commit("c", len(data))

        assert await get(driver, "b") == data
        assert await get(driver, "c") == data
    copied = [seen for seen in fake.seen if "x-oss-copy-source-range" in seen.headers]
    assert len(copied) == 8


async def test_deletion_of_many_is_few_requests(
    fake: OssFake, options: MakeOptions, bucket: str
) -> None:
    named = [f"a/{number}" for number in range(12)]
    async with opened(options(), fake.transport) as driver:
        for key in named:
            await put(driver, key)
        before = len(fake.seen)
        await driver.delete([*named, "missing", *(f"b/{number}" for number in range(1500))])

    assert [seen.method for seen in fake.seen[before:]] == ["POST", "POST"]
    assert fake.buckets[bucket].objects == {}


async def test_deletion_that_fails(fake: OssFake, options: MakeOptions) -> None:
    async with opened(options(retries=0), fake.transport) as driver:
        await put(driver, "a")
        await put(driver, "b")
        fake.faults = [Fault(sent("POST", "delete"), 503, "SlowDown")]
        with pytest.raises(DeleteError) as raised:
            await driver.delete(["a", "b"])

    assert {key: type(error) for key, error in raised.value.failures.items()} == {
        "a": UnavailableError,
        "b": UnavailableError,
    }


@pytest.mark.parametrize(
    ("versioning", "exclusive"), [("", True), ("Enabled", False), ("Suspended", False)]
)
async def test_bucket_with_versions_cannot_create_exclusively(
    fake: OssFake, options: MakeOptions, bucket: str, versioning: str, exclusive: bool
) -> None:
    fake.buckets[bucket].versioning = versioning
    async with opened(options(), fake.transport) as driver:
        assert driver.exclusive_create is exclusive


async def test_versions_that_may_not_be_asked_for(fake: OssFake, options: MakeOptions) -> None:
    """Nobody knows then whether creations are exclusive, and an image is at stake."""
    fake.faults = [Fault(sent("GET", "versioning"), 403, "AccessDenied")]
    async with opened(options(), fake.transport) as driver:
        assert not driver.exclusive_create

    fake.faults = [Fault(sent("GET", "versioning"), 503, "SlowDown", times=9)]
    with pytest.raises(UnavailableError, match="cannot use bucket"):
        async with opened(options(), fake.transport):
            pass
