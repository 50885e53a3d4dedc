"""A finish that failed in its middle is finished by the same request again."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest
from tests.core.stores import NAME, STORES, keys, open_repository, put, read_blob, upload

from entrepot.core import layout
from entrepot.core.driver import Driver
from entrepot.core.errors import BlobUploadUnknownError, DigestInvalidError, UnavailableError
from entrepot.core.names import ALGORITHMS, Digest
from entrepot.core.testing import Fault, FaultyDriver

pytestmark = pytest.mark.anyio

PARTS = [b"first part, ", b"second part, " * 20]
WHOLE = b"".join(PARTS)
UPLOADS = layout.repository(NAME) + "_uploads/"
DOWN = UnavailableError("", "the store is down")

FAULTS = {
    "bytes in place": Fault("commit", DOWN, when="after"),
    "no link": Fault("write", DOWN, keys="*/_layers/*"),
    "upload not removed": Fault("delete", DOWN, keys="*/startedat"),
}


@pytest.fixture(params=STORES)
async def driver(request: pytest.FixtureRequest) -> AsyncGenerator[Driver, None]:
    async with STORES[request.param]() as driver:
        yield driver


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("fault", FAULTS)
async def test_finish_again_with_the_hash_known(driver: Driver, fault: str, algorithm: str) -> None:
    digest = Digest.of(WHOLE, algorithm)
    async with open_repository(driver) as repository:
        id_ = await upload(repository, *PARTS, algorithm=algorithm)
    async with open_repository(FaultyDriver(driver, replace(FAULTS[fault]))) as repository:
        with pytest.raises(UnavailableError):
            await (await repository.uploads.find(id_, algorithm)).commit(digest)

    async with open_repository(driver) as repository:
        await (await repository.uploads.find(id_, algorithm)).commit(digest)

        assert await read_blob(repository, digest) == WHOLE
        with pytest.raises(BlobUploadUnknownError):
            await repository.uploads.find(id_)
    assert await keys(driver, UPLOADS) == []


@pytest.mark.parametrize("operation", ["read", "move"])
async def test_finish_again_of_content_set_aside(driver: Driver, operation: str) -> None:
    digest = Digest.of(WHOLE, "sha512")  # its hash was not kept, so the content must be read
    fault = Fault("read" if operation == "read" else "move", DOWN, keys="*/unverified")
    async with open_repository(driver) as repository:
        id_ = await upload(repository, *PARTS)
    async with open_repository(FaultyDriver(driver, fault)) as repository:
        with pytest.raises(UnavailableError):
            await (await repository.uploads.find(id_)).commit(digest)

    async with open_repository(driver) as repository:
        await (await repository.uploads.find(id_)).commit(digest)

        assert await read_blob(repository, digest) == WHOLE
    assert await keys(driver, UPLOADS) == []


async def test_finish_again_with_another_digest_is_refused(driver: Driver) -> None:
    other = b"content of somebody else"
    await put(driver, layout.blob(Digest.of(other)), other)
    async with open_repository(driver) as repository:
        id_ = await upload(repository, *PARTS)
    fault = Fault("commit", DOWN, when="after")
    async with open_repository(FaultyDriver(driver, fault)) as repository:
        with pytest.raises(UnavailableError):
            await (await repository.uploads.find(id_)).commit(Digest.of(WHOLE))

    async with open_repository(driver) as repository:
        with pytest.raises(DigestInvalidError):
            await (await repository.uploads.find(id_)).commit(Digest.of(other))

    assert await keys(driver, layout.repository(NAME)) == []
