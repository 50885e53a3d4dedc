"""The conformance suite on the drivers that come with the registry."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import ClassVar

import pytest

from entrepot.core.guard import GuardedDriver
from entrepot.core.testing import DriverSuite, Opening
from entrepot.drivers.filesystem import FilesystemOptions, open_filesystem
from entrepot.drivers.inmemory import InMemoryDriver, Store

_HUGE = ("test_write_of_a_huge_object", "test_upload_of_a_huge_object")
_IN_MEMORY: Mapping[str, str] = dict.fromkeys(_HUGE, "objects are in memory")


class TestFilesystem(DriverSuite):
    @pytest.fixture
    def open_driver(self, tmp_path: Path) -> Opening:
        return partial(open_filesystem, FilesystemOptions(rootdirectory=str(tmp_path)))


@pytest.mark.wide
@pytest.mark.real
class TestFilesystemWithoutFsync(DriverSuite):
    @pytest.fixture
    def open_driver(self, tmp_path: Path) -> Opening:
        options = FilesystemOptions(rootdirectory=str(tmp_path), fsync=False)
        return partial(open_filesystem, options)


class TestInMemory(DriverSuite):
    deviations: ClassVar[Mapping[str, str]] = _IN_MEMORY

    @pytest.fixture
    def open_driver(self) -> Opening:
        store = Store()
        return lambda: nullcontext(InMemoryDriver(store))


class TestGuardedInMemory(DriverSuite):
    deviations: ClassVar[Mapping[str, str]] = _IN_MEMORY

    @pytest.fixture
    def open_driver(self) -> Opening:
        store = Store()
        return lambda: nullcontext(GuardedDriver(InMemoryDriver(store), "inmemory"))
