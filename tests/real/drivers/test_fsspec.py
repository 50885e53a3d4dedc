"""The conformance suite on real servers of which fsspec has filesystems."""

from __future__ import annotations

import os
import uuid
from collections.abc import Generator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest
from tests.real.drivers.s3_buckets import new_bucket
from tests.services.running import require_service

from entrepot.core.testing import DriverSuite, Opening
from entrepot.core.testing.material import content, get, keys, put
from entrepot.drivers.fsspec import FsspecOptions, open_fsspec


def sftp_options(folder: str, **more: Any) -> FsspecOptions:
    """Options for a folder of the SFTP server that runs."""
    server = require_service("sftp")
    place = f"{server['host']}:{server['port']}{server['root']}/{folder}"
    options = {"client_keys": [server["key"]], "known_hosts": server["known_hosts"], **more}
    return FsspecOptions(url=f"sftp://{server['user']}@{place}", options=options)


def webdav_options(folder: str, **more: Any) -> FsspecOptions:
    """Options for a folder of the WebDAV server that runs."""
    server = require_service("webdav")
    auth = [server["user"], server["password"]]
    options = {"base_url": server["url"], "auth": auth, **more}
    return FsspecOptions(url=f"webdav://{folder}", options=options)


@pytest.fixture
def folder() -> str:
    return f"fsspec-{os.getpid()}-{uuid.uuid4().hex}"


class TestSftp(DriverSuite):
    @pytest.fixture
    def open_driver(self, folder: str) -> Opening:
        return partial(open_fsspec, sftp_options(folder))


class TestWebdav(DriverSuite):
    many = 1_001
    lowered: ClassVar[Mapping[str, str]] = {
        "many": "WebDAV lists a folder in one answer, without pages; each key is several requests"
    }

    @pytest.fixture
    def open_driver(self, folder: str) -> Opening:
        return partial(open_fsspec, webdav_options(folder))


@pytest.mark.wide
class TestFile(DriverSuite):
    @pytest.fixture
    def open_driver(self, tmp_path: Path) -> Opening:
        return partial(open_fsspec, FsspecOptions(url=f"file://{tmp_path}"))


@pytest.fixture
def bucket() -> Generator[FsspecOptions, None, None]:
    server = require_service("moto")
    given = {"key": server["accesskey"], "secret": server["secretkey"]}
    with new_bucket(server) as name:
        yield FsspecOptions(
            url=f"s3://{name}/registry", options={**given, "endpoint_url": server["endpoint"]}
        )


@pytest.mark.anyio
async def test_object_store_of_fsspec_is_a_store(bucket: FsspecOptions) -> None:
    data = content(6 * 1024 * 1024)
    async with open_fsspec(bucket) as driver:
        await put(driver, "a/b", data)

        assert await get(driver, "a/b") == data
        assert await get(driver, "a/b", 3, 8) == data[3:8]
        assert await keys(driver) == ["a/b"]
        await driver.delete(["a/b"])
        assert await keys(driver) == []


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
