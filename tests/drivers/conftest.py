"""A filesystem driver over a new folder, and what its tests look at behind its back."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from entrepot.core import Driver
from entrepot.drivers.filesystem import FilesystemOptions, open_filesystem

Open = Callable[..., AbstractAsyncContextManager[Driver]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder of `driver`; there is nothing else in it."""
    return tmp_path / "root"


@pytest.fixture
def open_root(root: Path) -> Open:
    """Opens a driver over `root`; takes `fsync`."""

    def open_it(*, fsync: bool = True) -> AbstractAsyncContextManager[Driver]:
        return open_filesystem(FilesystemOptions(rootdirectory=str(root), fsync=fsync))

    return open_it


@pytest.fixture
async def driver(open_root: Open) -> AsyncGenerator[Driver, None]:
    async with open_root() as driver:
        yield driver
