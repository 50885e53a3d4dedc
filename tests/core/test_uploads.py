"""Uploads: continued anywhere, hashed whatever was saved, never a blob of another digest."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable

import pytest
from tests.core.stores import NAME, STORES, chunks, keys, open_repository, put, read_blob, upload

from entrepot.core import layout
from entrepot.core.driver import Driver
from entrepot.core.errors import (
    BlobUploadUnknownError,
    DigestInvalidError,
)
from entrepot.core.names import ALGORITHMS, Digest, RepositoryName, UploadId
from entrepot.core.registry import Repository, Rules, open_registry

pytestmark = pytest.mark.anyio

PARTS = [b"first part, ", b"second part, " * 20, b"third"]
WHOLE = b"".join(PARTS)
UPLOADS = layout.repository(NAME) + "_uploads/"
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


async def breaking(content: bytes) -> AsyncGenerator[bytes, None]:
    yield content
    raise ConnectionResetError


async def states(driver: Driver, id_: UploadId) -> dict[str, bytes]:
    prefix = layout.upload(NAME, id_) + "/hashstates/"
    return {
        key.removeprefix(prefix): b"".join([chunk async for chunk in driver.read(key)])
        for key in await keys(driver, prefix)
    }


async def assert_stored(repository: Repository, driver: Driver, digest: Digest) -> None:
    """The upload became the blob, and nothing is left of it."""
    assert await read_blob(repository, digest) == WHOLE
    assert await keys(driver) == sorted(
        [layout.blob(digest), layout.layer_link(repository.name, digest)]
    )


async def assert_gone(repository: Repository, driver: Driver, id_: UploadId) -> None:
    assert await keys(driver, layout.repository(NAME)) == []
    with pytest.raises(BlobUploadUnknownError):
        await repository.uploads.find(id_)


# -- continued by another replica ------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_each_part_may_come_to_another_replica(
    repository: Repository, replica: Repository, driver: Driver, algorithm: str
) -> None:
    id_ = (await repository.uploads.start(algorithm)).id
    size = 0
    for number, part in enumerate(PARTS):
        here = (repository, replica)[number % 2]
        session = await here.uploads.find(id_, algorithm)
        size = await session.append(chunks(part), size)
        assert list(await states(driver, id_)) == [f"{algorithm}/{size}"]

    digest = Digest.of(WHOLE, algorithm)
    await (await replica.uploads.find(id_, algorithm)).commit(digest)

    await assert_stored(repository, driver, digest)


async def test_commit_by_another_replica_reads_nothing_again(
    repository: Repository, driver: Driver
) -> None:
    """The saved hash is what counts: content that was changed behind it is not noticed."""
    id_ = await upload(repository, WHOLE)
    other = await upload(repository, WHOLE[:-1] + b"X")
    state = (await states(driver, id_))[f"sha256/{len(WHOLE)}"]
    await put(driver, layout.upload_hash_state(NAME, other, "sha256", len(WHOLE)), state)

    await (await repository.uploads.find(other)).commit(Digest.of(WHOLE))

    assert await read_blob(repository, Digest.of(WHOLE)) == WHOLE[:-1] + b"X"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("last", [b"", PARTS[-1]], ids=["all appended", "last part at commit"])
async def test_commit_under_another_algorithm_than_the_running_one(
    repository: Repository, driver: Driver, algorithm: str, last: bytes
) -> None:
    for running in ALGORITHMS:
        id_ = await upload(repository, *PARTS[:-1], *([] if last else [PARTS[-1]]))
        session = await repository.uploads.find(id_, running)

        digest = Digest.of(WHOLE, algorithm)
        await session.commit(digest, chunks(last) if last else None)

        await assert_stored(repository, driver, digest)


# -- hash states that were lost --------------------------------------------------------------

DAMAGES: dict[str, Callable[[bytes], bytes | None]] = {
    "lost": lambda _: None,
    "empty": lambda _: b"",
    "cut": lambda state: state[:50],
    "zeros": lambda state: bytes(len(state)),
    "of another length": lambda state: state[:-8] + (7).to_bytes(8, "big"),
    "longer": lambda state: state + b"\0",
    "of another algorithm": lambda state: b"sha\x02" + state[4:],
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("last", [b"", PARTS[-1]], ids=["commit", "append and commit"])
async def test_hash_that_is_not_saved_is_computed_anew(
    repository: Repository,
    replica: Repository,
    driver: Driver,
    damage: str,
    algorithm: str,
    last: bytes,
) -> None:
    parts = PARTS[:-1] if last else PARTS
    id_ = await upload(repository, *parts, algorithm=algorithm)
    [(name, state)] = (await states(driver, id_)).items()
    key = f"{layout.upload(NAME, id_)}/hashstates/{name}"
    damaged = DAMAGES[damage](state)
    if damaged is None:
        await driver.delete([key])
    else:
        await put(driver, key, damaged)

    session = await replica.uploads.find(id_, algorithm)
    if last:
        await session.append(chunks(last))
    digest = Digest.of(WHOLE, algorithm)
    await session.commit(digest)

    await assert_stored(repository, driver, digest)


async def test_lost_hash_does_not_weaken_the_check(repository: Repository, driver: Driver) -> None:
    id_ = await upload(repository, *PARTS)
    await driver.delete(await keys(driver, layout.upload(NAME, id_) + "/hashstates/"))

    with pytest.raises(DigestInvalidError):
        await (await repository.uploads.find(id_)).commit(OTHER)

    await assert_gone(repository, driver, id_)


async def test_broken_stream_leaves_an_upload_that_goes_on(
    repository: Repository, replica: Repository, driver: Driver
) -> None:
    id_ = await upload(repository, PARTS[0])
    with pytest.raises(ConnectionResetError):
        await (await repository.uploads.find(id_)).append(breaking(PARTS[1][:40]))

    session = await replica.uploads.find(id_)
    size = await session.size()
    assert len(PARTS[0]) <= size <= len(PARTS[0]) + 40
    await session.append(chunks(WHOLE[size:]), size)
    await session.commit(Digest.of(WHOLE))

    await assert_stored(repository, driver, Digest.of(WHOLE))


async def test_cancelled_append_leaves_an_upload_that_goes_on(
    repository: Repository, driver: Driver
) -> None:
    id_ = await upload(repository, PARTS[0])
    reached, never = asyncio.Event(), asyncio.Event()

    async def stalling() -> AsyncGenerator[bytes, None]:
        yield PARTS[1]
        reached.set()
        await never.wait()

    session = await repository.uploads.find(id_)
    task = asyncio.create_task(session.append(stalling()))
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    session = await repository.uploads.find(id_)
    size = await session.size()
    await session.append(chunks(WHOLE[size:]), size)
    await session.commit(Digest.of(WHOLE))
    await assert_stored(repository, driver, Digest.of(WHOLE))


# -- a wrong digest --------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("appended", [0, 1, 3])
@pytest.mark.parametrize("last", [None, b"last"], ids=["no body", "body"])
async def test_wrong_digest_ends_the_upload_and_stores_nothing(
    repository: Repository, driver: Driver, algorithm: str, appended: int, last: bytes | None
) -> None:
    id_ = await upload(repository, *PARTS[:appended])
    session = await repository.uploads.find(id_)

    with pytest.raises(DigestInvalidError):
        await session.commit(Digest.of(b"?", algorithm), None if last is None else chunks(last))

    await assert_gone(repository, driver, id_)
    assert await keys(driver) == []


async def test_wrong_digest_leaves_the_blob_that_has_it(repository: Repository) -> None:
    await repository.blobs.put(OTHER, chunks(b"something else"))
    for parts in ((), PARTS):
        id_ = await upload(repository, *parts)
        with pytest.raises(DigestInvalidError):
            await (await repository.uploads.find(id_)).commit(OTHER, chunks(b"x"))

    assert await read_blob(repository, OTHER) == b"something else"


# -- beginning and end -----------------------------------------------------------------------


async def test_finished_cancelled_and_unknown_uploads_are_not_found(
    repository: Repository, driver: Driver
) -> None:
    finished = await upload(repository, WHOLE)
    await (await repository.uploads.find(finished)).commit(Digest.of(WHOLE))
    cancelled = await upload(repository, WHOLE)
    session = await repository.uploads.find(cancelled)
    await session.cancel()
    await session.cancel()

    for id_ in (finished, cancelled, UploadId.new()):
        with pytest.raises(BlobUploadUnknownError):
            await repository.uploads.find(id_)
    assert await keys(driver, UPLOADS) == []


async def test_cancel_leaves_other_uploads(repository: Repository) -> None:
    kept = await upload(repository, PARTS[0])
    await (await repository.uploads.find(await upload(repository, WHOLE))).cancel()

    assert await (await repository.uploads.find(kept)).size() == len(PARTS[0])


async def test_start_says_when_it_was(repository: Repository, driver: Driver) -> None:
    """In the form that Distribution's purge reads."""
    id_ = await upload(repository)

    [started] = [chunk async for chunk in driver.read(layout.upload_started(NAME, id_))]

    assert started.decode()[10] == "T"
    assert started.endswith(b"Z")
    assert len(started) == len("2006-01-02T15:04:05Z")


async def test_upload_of_another_repository_is_not_found(
    repository: Repository, driver: Driver
) -> None:
    id_ = await upload(repository, PARTS[0])

    async with open_registry(driver, Rules()) as registry:
        other = registry.repository(RepositoryName("team/other"))
        with pytest.raises(BlobUploadUnknownError):
            await other.uploads.find(id_)
