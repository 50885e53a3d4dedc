"""The conformance suite on real servers of which fsspec has filesystems."""

from __future__ import annotations

import os
import uuid
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.services.running import require_service

from entrepot.core.testing import DriverSuite, Opening
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
    @pytest.fixture
    def open_driver(self, folder: str) -> Opening:
        return partial(open_fsspec, webdav_options(folder))


class TestFile(DriverSuite):
    @pytest.fixture
    def open_driver(self, tmp_path: Path) -> Opening:
        return partial(open_fsspec, FsspecOptions(url=f"file://{tmp_path}"))
