"""Chunks of an upload in and out of order, and two sessions of one upload."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest
from tests.core.stores import STORES, chunks, keys, open_repository, read_blob, upload

from entrepot.core import layout
from entrepot.core.driver import Driver
from entrepot.core.errors import BlobUnknownError, DigestInvalidError, RangeInvalidError
from entrepot.core.names import ALGORITHMS, Digest
from entrepot.core.registry import Repository

pytestmark = pytest.mark.anyio

PARTS = [b"first part, ", b"second part, " * 20, b"third"]
WHOLE = b"".join(PARTS)
OTHER = Digest.of(b"something else")


@pytest.fixture(params=STORES)
async def driver(request: pytest.FixtureRequest) -> AsyncGenerator[Driver, None]:
    """One driver with its own way to append, one that stages parts as objects."""
    async with STORES[request.param]() as driver:
        yield driver


@pytest.fixture
async def repository(driver: Driver) -> AsyncGenerator[Repository, None]:
    async with open_repository(driver) as repository:
        yield repository


@pytest.fixture
async def replica(driver: Driver) -> AsyncGenerator[Repository, None]:
    """The same repository in another registry over the same store."""
    async with open_repository(driver) as repository:
        yield repository


async def assert_stored(repository: Repository, driver: Driver, digest: Digest) -> None:
    """The upload became the blob, and nothing is left of it."""
    assert await read_blob(repository, digest) == WHOLE
    assert await keys(driver) == sorted(
        [layout.blob(digest), layout.layer_link(repository.name, digest)]
    )


@pytest.mark.parametrize("offset", [0, 1, len(PARTS[0]) - 1, len(PARTS[0]) + 1, 10**12])
async def test_chunk_out_of_order_is_refused_and_changes_nothing(
    repository: Repository, driver: Driver, offset: int
) -> None:
    id_ = await upload(repository, PARTS[0])
    session = await repository.uploads.find(id_)
    before = await keys(driver)

    with pytest.raises(RangeInvalidError) as appended:
        await session.append(chunks(b"x"), offset)
    with pytest.raises(RangeInvalidError) as committed:
        await session.commit(OTHER, chunks(b"x"), offset)

    assert appended.value.size == committed.value.size == len(PARTS[0])
    assert await keys(driver) == before
    await session.append(chunks(WHOLE[len(PARTS[0]) :]), len(PARTS[0]))
    await session.commit(Digest.of(WHOLE))
    await assert_stored(repository, driver, Digest.of(WHOLE))


async def test_empty_append_changes_nothing(repository: Repository, driver: Driver) -> None:
    id_ = await upload(repository)
    session = await repository.uploads.find(id_)

    assert await session.append(chunks()) == 0
    assert await session.append(chunks(PARTS[0])) == len(PARTS[0])
    assert await session.append(chunks()) == len(PARTS[0])
    assert await session.append(chunks(b"")) == len(PARTS[0])
    await session.append(chunks(WHOLE[len(PARTS[0]) :]), len(PARTS[0]))
    await session.commit(Digest.of(WHOLE), chunks())

    await assert_stored(repository, driver, Digest.of(WHOLE))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("style", ["no body", "empty body", "empty append"])
async def test_empty_blob(
    repository: Repository, driver: Driver, algorithm: str, style: str
) -> None:
    session = await repository.uploads.start()
    if style == "empty append":
        await session.append(chunks())

    digest = Digest.of(b"", algorithm)
    await session.commit(digest, chunks() if style == "empty body" else None)

    assert await read_blob(repository, digest) == b""
    assert not [key for key in await keys(driver) if "/_uploads/" in key]


async def test_two_sessions_append_at_the_same_place_and_one_wins(
    repository: Repository, replica: Repository, driver: Driver
) -> None:
    id_ = await upload(repository, PARTS[0])
    first, second = [await each.uploads.find(id_) for each in (repository, replica)]
    reached, released = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncGenerator[bytes, None]:
        reached.set()
        await released.wait()
        yield b"slow"

    slower = asyncio.create_task(first.append(slow(), len(PARTS[0])))
    await reached.wait()
    size = await second.append(chunks(PARTS[1]), len(PARTS[0]))
    released.set()
    with pytest.raises(RangeInvalidError) as lost:
        await slower

    assert lost.value.size == size == len(PARTS[0]) + len(PARTS[1])
    await first.append(chunks(PARTS[2]), size)
    await second.commit(Digest.of(WHOLE))
    await assert_stored(repository, driver, Digest.of(WHOLE))


async def test_commit_while_another_session_appends_makes_no_wrong_blob(
    repository: Repository, replica: Repository
) -> None:
    id_ = await upload(repository, WHOLE)
    first, second = [await each.uploads.find(id_) for each in (repository, replica)]
    reached, released = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncGenerator[bytes, None]:
        yield b"more"
        reached.set()
        await released.wait()
        yield b"and more"

    appending = asyncio.create_task(first.append(slow()))
    await reached.wait()
    [refused] = await asyncio.gather(second.commit(Digest.of(WHOLE)), return_exceptions=True)
    released.set()
    await asyncio.gather(appending, return_exceptions=True)

    if refused == len(WHOLE):
        assert await read_blob(repository, Digest.of(WHOLE)) == WHOLE
    else:
        assert isinstance(refused, RangeInvalidError | DigestInvalidError)
        with pytest.raises(BlobUnknownError):
            await read_blob(repository, Digest.of(WHOLE))


async def test_stale_session_of_a_finished_upload_makes_no_wrong_blob(
    repository: Repository, replica: Repository
) -> None:
    id_ = await upload(repository, *PARTS[:2])
    first, second = [await each.uploads.find(id_) for each in (repository, replica)]
    await first.append(chunks(PARTS[2]))
    await first.commit(Digest.of(WHOLE))

    with pytest.raises(RangeInvalidError):
        await second.append(chunks(PARTS[2]), len(PARTS[0]) + len(PARTS[1]))
    with pytest.raises(DigestInvalidError):
        await second.commit(Digest.of(WHOLE))

    assert await read_blob(repository, Digest.of(WHOLE)) == WHOLE
