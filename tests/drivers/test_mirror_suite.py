"""The conformance suite on the mirror, over stores of different kinds."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import ClassVar

import pytest

from entrepot.core import Driver
from entrepot.core.guard import GuardedDriver
from entrepot.core.testing import DriverSuite, Opening
from entrepot.core.threads import Threads
from entrepot.drivers.filesystem import FilesystemOptions, open_filesystem
from entrepot.drivers.inmemory import InMemoryDriver, Store
from entrepot.drivers.mirror import MirrorDriver

_HUGE = ("test_write_of_a_huge_object", "test_upload_of_a_huge_object")


@asynccontextmanager
async def mirrored(first: Driver, second: Driver) -> AsyncGenerator[Driver, None]:
    threads = Threads(os.cpu_count() or 1)
    try:
        yield MirrorDriver(first, GuardedDriver(second, "second"), threads)
    finally:
        threads.close()


@asynccontextmanager
async def open_folders(root: str) -> AsyncGenerator[Driver, None]:
    options = [FilesystemOptions(rootdirectory=f"{root}/{name}") for name in ("a", "b")]
    async with (
        open_filesystem(options[0]) as first,
        open_filesystem(options[1]) as second,
        mirrored(first, second) as driver,
    ):
        yield driver


class TestMirrorOfFilesystems(DriverSuite):
    many = 1_001
    lowered: ClassVar[Mapping[str, str]] = {"many": "each of the two is asked for more elsewhere"}

    @pytest.fixture
    def open_driver(self, tmp_path: Path) -> Opening:
        return partial(open_folders, str(tmp_path))


class TestMirrorInMemory(DriverSuite):
    deviations: ClassVar[Mapping[str, str]] = dict.fromkeys(_HUGE, "objects are in memory")

    @pytest.fixture
    def open_driver(self) -> Opening:
        first, second = Store(), Store()
        return lambda: mirrored(InMemoryDriver(first), InMemoryDriver(second))
