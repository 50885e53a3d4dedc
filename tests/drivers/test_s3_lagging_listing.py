"""A listing that lags behind loses nothing and tells no lies: on a strict fake of S3."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
from tests.core.stores import CONFIG, NAME, image
from tests.drivers.s3_fake import S3Fake
from tests.drivers.s3_opened import PART, opened

from entrepot.core.driver import Driver
from entrepot.core.errors import BlobUnknownError, ManifestUnknownError
from entrepot.core.names import Digest, Tag, UploadId
from entrepot.core.registry import Repository, Rules, open_registry
from entrepot.core.testing.material import content, pieces

pytestmark = pytest.mark.anyio

T, U = Tag("t"), Tag("u")


@pytest.fixture
async def fake() -> AsyncGenerator[S3Fake, None]:
    async with S3Fake().running() as fake:
        yield fake


@pytest.fixture
async def driver(fake: S3Fake) -> AsyncGenerator[Driver, None]:
    async with opened(fake) as driver:
        yield driver


@pytest.fixture
async def repository(driver: Driver) -> AsyncGenerator[Repository, None]:
    async with open_registry(driver, Rules()) as registry:
        yield registry.repository(NAME)


async def push(repository: Repository, layer: bytes, tag: Tag) -> Digest:
    """Push an image as a client does whose every request another replica answers."""
    for blob in (CONFIG, layer):
        id_ = (await repository.uploads.start()).id
        half = len(blob) // 2
        at = 0
        for part in (blob[:half], blob[half:]):
            session = await repository.uploads.find(id_)
            at = await session.append(pieces(part), at)
        await finish(repository, id_, blob)
    manifest = await repository.manifests.put(tag, image([layer]), None)
    return manifest.digest


async def finish(repository: Repository, id_: UploadId, blob: bytes) -> None:
    session = await repository.uploads.find(id_)
    await session.commit(Digest.of(blob))


@pytest.mark.parametrize("size", [99, 3 * PART + 9], ids=["small", "parts"])
async def test_push_and_pull_while_listings_show_nothing(
    fake: S3Fake, repository: Repository, size: int
) -> None:
    layer = content(size)
    fake.fall_behind()

    digest = await push(repository, layer, T)

    assert (await repository.manifests.get(T)).digest == digest
    for blob in (CONFIG, layer):
        assert (await repository.blobs.find(Digest.of(blob))).size == len(blob)
    fake.catch_up()
    assert (await repository.tags.page()).names == ["t"]
    assert [key for key in fake.objects if "_uploads" in key] == []


async def test_upload_of_many_appends_goes_on_from_an_old_listing(
    fake: S3Fake, repository: Repository
) -> None:
    blob = content(900)
    id_ = (await repository.uploads.start()).id
    for at in range(0, 900, 100):
        session = await repository.uploads.find(id_)
        assert await session.size() == at
        await session.append(pieces(blob[at : at + 100]), at)
        if at == 300:
            fake.fall_behind()

    await finish(repository, id_, blob)

    assert (await repository.blobs.find(Digest.of(blob))).size == 900


async def test_lists_may_be_old_but_name_nothing_that_is_gone(
    fake: S3Fake, repository: Repository
) -> None:
    digest = await push(repository, b"layer", T)
    fake.fall_behind()
    await push(repository, b"another", U)
    await repository.manifests.delete(digest)

    assert (await repository.tags.page()).names == []
    with pytest.raises(ManifestUnknownError):
        await repository.manifests.get(T)
    fake.catch_up()
    assert (await repository.tags.page()).names == ["u"]


async def test_deleted_blob_is_unknown_at_once(fake: S3Fake, repository: Repository) -> None:
    await push(repository, b"layer", T)
    fake.fall_behind()

    await repository.blobs.delete(Digest.of(b"layer"))

    with pytest.raises(BlobUnknownError):
        await repository.blobs.find(Digest.of(b"layer"))


async def test_deleted_manifest_is_unknown_though_no_listing_shows_its_tag(
    fake: S3Fake, repository: Repository
) -> None:
    fake.fall_behind()
    digest = await push(repository, b"layer", T)

    await repository.manifests.delete(digest)

    for reference in (T, digest):
        with pytest.raises(ManifestUnknownError):
            await repository.manifests.get(reference)
