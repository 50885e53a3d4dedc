"""What every test of the driver may ask for."""

from __future__ import annotations

import uuid
from collections.abc import Generator
from typing import Any

import pytest
from oss_fake import ACCOUNT, MIB, REGION, OssFake, serving
from oss_material import MakeOptions
from oss_store import Bucket

from entrepot_oss import OssOptions


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def service() -> Generator[tuple[OssFake, str], None, None]:
    """One service for all tests, and its address."""
    fake = OssFake()
    with serving(fake) as address:
        yield fake, address


@pytest.fixture
def fake(service: tuple[OssFake, str]) -> Generator[OssFake, None, None]:
    """The service with nothing wrong."""
    fake = service[0]
    fake.seen.clear()
    yield fake
    fake.faults.clear()
    fake.elsewhere.clear()
    fake.accounts[:] = [ACCOUNT]
    fake.page, fake.copied = 1000, 1024 * MIB


@pytest.fixture
def bucket(fake: OssFake) -> Generator[str, None, None]:
    """A bucket of the test's own."""
    name = f"b-{uuid.uuid4().hex[:16]}"
    fake.buckets[name] = Bucket()
    yield name
    fake.buckets.pop(name, None)


@pytest.fixture
def options(service: tuple[OssFake, str], bucket: str) -> MakeOptions:
    """Options for that bucket, with changes."""

    def make(**changes: Any) -> OssOptions:
        given = {
            "accesskeyid": ACCOUNT.id,
            "accesskeysecret": ACCOUNT.secret,
            "region": REGION,
            "bucket": bucket,
            "endpoint": f"http://{service[1]}",
            "rootdirectory": "some/where",
            "timeout": 10,
        }
        return OssOptions.model_validate(given | changes)

    return make
