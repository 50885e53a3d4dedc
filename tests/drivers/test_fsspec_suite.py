"""The conformance suite on filesystems that need no server, opened by their URLs."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from entrepot.core.testing import DriverSuite, Opening
from entrepot.drivers.fsspec import FsspecOptions, open_fsspec


@pytest.mark.wide
@pytest.mark.real
class TestFolderOfFile(DriverSuite):
    @pytest.fixture
    def open_driver(self, tmp_path: Path) -> Opening:
        return partial(open_fsspec, FsspecOptions(url=f"dir::file://{tmp_path}"))


@pytest.mark.wide
@pytest.mark.real
class TestMemory(DriverSuite):
    @pytest.fixture
    def open_driver(self, monkeypatch: pytest.MonkeyPatch) -> Opening:
        monkeypatch.setattr(MemoryFileSystem, "store", {})
        options = FsspecOptions(url="memory://registry")
        # A partial could be sent to another process, which has not this store.
        return lambda: open_fsspec(options)
