"""Filesystems whose client holds one connection, which two threads would mix up."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.local import LocalFileSystem

from entrepot.core.fsspec_driver import FsspecDriver
from entrepot.core.testing.material import put

pytestmark = pytest.mark.anyio


class OneConnection(LocalFileSystem):  # type: ignore[misc]  # fsspec is untyped
    """Notices when a second call begins before the first has ended."""

    protocol = "sftp"
    cachable = False
    running = 0
    most = 0

    def info(self, path: Any, **kwargs: Any) -> Any:
        self.running += 1
        self.most = max(self.most, self.running)
        time.sleep(0.001)  # so that calls would overlap
        local: Any = super()
        details = local.info(path, **kwargs)
        self.running -= 1
        return details


async def test_filesystem_of_one_connection_is_called_by_one_thread(tmp_path: Path) -> None:
    filesystem = OneConnection()
    async with FsspecDriver(filesystem, str(tmp_path)) as driver:
        await put(driver, "a")

        await asyncio.gather(*(driver.stat("a") for _ in range(50)))

    assert filesystem.most == 1
