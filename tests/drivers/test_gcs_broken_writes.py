"""How the gcs driver writes and uploads on a backend that fails in the middle."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
from tests.drivers.gcs_fake import Fake, Fault
from tests.drivers.gcs_opened import MIB, PIECE, driver, fake, open_on

from entrepot.core import (
    DeleteError,
    Driver,
    ExistsError,
    OffsetError,
    UnavailableError,
)
from entrepot.core.testing.material import content, get, keys, pieces, put

__all__ = ["driver", "fake"]
pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("status", [0, 503])
async def test_create_whose_answer_was_lost_is_no_conflict(
    driver: Driver, fake: Fake, status: int
) -> None:
    fake.faults.append(Fault("insert", status, after=True))

    entry = await driver.write("a", pieces(b"mine"), create=True)

    assert entry == await driver.stat("a")
    assert await get(driver, "a") == b"mine"


async def test_create_after_a_failure_still_loses_to_others(driver: Driver, fake: Fake) -> None:
    await put(driver, "a", b"same")
    fake.faults.append(Fault("insert", 503))

    with pytest.raises(ExistsError):
        await put(driver, "a", b"same", create=True)


async def test_large_create_whose_answer_was_lost_is_no_conflict(
    driver: Driver, fake: Fake
) -> None:
    fake.faults.append(Fault("chunk", 0, skip=3, after=True))

    await put(driver, "a", content(MIB), create=True)

    assert await get(driver, "a") == content(MIB)
    assert fake.requests["state"] == 1


async def test_large_create_loses_at_its_end(driver: Driver) -> None:
    """Somebody else creates the object while the chunks are on their way."""

    async def chunks() -> AsyncGenerator[bytes, None]:
        yield content(MIB)
        await put(driver, "a", b"theirs", create=True)
        yield b"more"

    with pytest.raises(ExistsError):
        await driver.write("a", chunks(), create=True)

    assert await get(driver, "a") == b"theirs"


# -- large streams ------------------------------------------------------------------------


@pytest.mark.parametrize("kept", [None, 0, PIECE, 2 * PIECE])
@pytest.mark.parametrize("skip", [0, 1, 3])
async def test_chunk_that_failed_goes_on_where_the_backend_is(
    fake: Fake, skip: int, kept: int | None
) -> None:
    fake.faults.append(Fault("chunk", 503, skip=skip, bytes=kept))

    async with open_on(fake, chunksize=4 * PIECE) as driver:
        await put(driver, "a", content(2 * MIB))

        assert await get(driver, "a") == content(2 * MIB)
        assert fake.requests["state"] == 1
        assert fake.requests["chunk"] == (4 if skip < 3 and kept == 2 * PIECE else 5)


async def test_session_whose_beginning_failed_begins_again(driver: Driver, fake: Fake) -> None:
    fake.faults.append(Fault("begin", 503))

    await put(driver, "a", content(MIB))

    assert await get(driver, "a") == content(MIB)


@pytest.mark.parametrize("skip", [0, 1, 3])
async def test_write_that_fails_for_good_leaves_the_old_content_and_no_session(
    driver: Driver, fake: Fake, skip: int
) -> None:
    await put(driver, "a", b"old")
    fake.faults.append(Fault("chunk", 503, skip=skip, times=99))

    with pytest.raises(UnavailableError):
        await put(driver, "a", content(MIB))

    assert await get(driver, "a") == b"old"
    assert fake.store.open_sessions == []
    assert fake.requests["cancel"] == 1


async def test_session_that_the_backend_lost_is_an_error(driver: Driver, fake: Fake) -> None:
    fake.faults.append(Fault("chunk", 410, skip=2, times=99))

    with pytest.raises(UnavailableError, match="lost the upload"):
        await put(driver, "a", content(MIB))

    assert await keys(driver) == []


async def test_refused_session_names_no_secret(driver: Driver, fake: Fake) -> None:
    fake.faults.append(Fault("chunk", 0, times=99))

    with pytest.raises(UnavailableError) as raised:
        await put(driver, "a", content(MIB))

    token = next(iter(fake.store.sessions))
    chain: BaseException | None = raised.value
    while chain is not None:
        assert token not in repr(chain)
        chain = chain.__cause__ or chain.__context__


async def test_stored_bytes_that_differ_are_taken_back(driver: Driver, fake: Fake) -> None:
    """The backend answers with another object's checksum."""
    put_there = fake.store.put

    def put_wrongly(resource: dict[str, str], data: bytes, params: dict[str, str]) -> object:
        resource.pop("crc32c", None)
        return put_there(resource, data[:-1] + b"?", params)

    fake.store.put = put_wrongly  # type: ignore[method-assign,assignment]

    with pytest.raises(UnavailableError, match="other bytes than were sent"):
        await put(driver, "a", b"content")

    assert await keys(driver) == []


async def test_copy_in_many_steps(driver: Driver, fake: Fake) -> None:
    fake.store.rewrite_step = 100_000
    await put(driver, "a", content(MIB))

    await driver.copy("a", "b")

    assert await get(driver, "b") == content(MIB)
    assert fake.requests["rewrite"] == 11


# -- uploads ------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [0, 503])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("kind", ["insert", "list", "rewrite", "delete", "begin"])
async def test_upload_does_not_notice_a_passing_failure(
    driver: Driver, fake: Fake, kind: str, after: bool, status: int
) -> None:
    fake.faults.append(Fault(kind, status, after=after))
    upload = driver.upload("u/1")

    size = await upload.append(pieces(content(MIB)), 0)
    await upload.append(pieces(b"more"), size)
    assert await upload.size() == MIB + 4
    await upload.commit("b", MIB + 4)

    assert await get(driver, "b") == content(MIB) + b"more"
    assert await keys(driver) == ["b"]
    if kind == "begin" and after:  # nobody was told its name; it ends in a week
        assert len(fake.store.open_sessions) == 1
        fake.store.sessions.clear()


async def test_commit_that_failed_half_way_succeeds_later(driver: Driver, fake: Fake) -> None:
    """The join was done, but neither its answer nor the removal of the parts came through."""
    upload = driver.upload("u/1")
    await upload.append(pieces(b"one"), 0)
    await upload.append(pieces(b"two"), 3)
    fake.faults.append(Fault("compose", 503, after=True, times=4))

    with pytest.raises(UnavailableError):
        await upload.commit("b", 6)

    assert await upload.size() == 6
    await driver.upload("u/1").commit("b", 6)
    assert await get(driver, "b") == b"onetwo"
    assert await keys(driver) == ["b"]


async def test_removal_after_the_commit_that_failed_can_be_done_again(
    driver: Driver, fake: Fake
) -> None:
    upload = driver.upload("u/1")
    await upload.append(pieces(b"one"), 0)
    await upload.append(pieces(b"two"), 3)
    fake.faults.append(Fault("delete", 403, skip=1))

    with pytest.raises(DeleteError):
        await upload.commit("b", 6)

    assert await upload.size() == 3
    await upload.abort()
    assert await keys(driver) == ["b"]


async def test_append_that_the_backend_refuses_keeps_the_parts_before(
    driver: Driver, fake: Fake
) -> None:
    upload = driver.upload("u/1")
    await upload.append(pieces(b"one"), 0)
    fake.faults.append(Fault("chunk", 503, skip=2, times=99))

    with pytest.raises(UnavailableError):
        await upload.append(pieces(content(MIB)), 3)

    assert await upload.size() == 3
    await upload.abort()
    assert await keys(driver) == []


async def test_append_whose_lost_answer_was_won_by_another_is_told(
    driver: Driver, fake: Fake
) -> None:
    fake.faults.append(Fault("insert", 503))
    upload = driver.upload("u/1")

    async def overtaken() -> AsyncGenerator[bytes, None]:
        yield b"mine"
        await driver.upload("u/1").append(pieces(b"theirs"), 0)

    with pytest.raises(OffsetError):
        await upload.append(overtaken(), 0)

    assert await upload.size() == 6
