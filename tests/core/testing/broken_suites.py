"""The suite on every broken driver; collected only when asked for by its name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import pytest

from entrepot.core.testing import DriverSuite, Opening

from .broken_drivers import BROKEN
from .broken_ends import ScanStopsAfterFivePages
from .broken_objects import BrokenDriver


class BrokenSuite(DriverSuite):
    many = 1_201  # past the page of those that stop after one
    lowered: ClassVar[Mapping[str, str]] = {"many": "there are as many suites as mistakes"}
    kind: ClassVar[type[BrokenDriver]]

    @pytest.fixture
    def open_driver(self, tmp_path: Path) -> Opening:
        return self.kind.opening(tmp_path)


class _OfFullLength(BrokenSuite):
    many = DriverSuite.many
    lowered: ClassVar[Mapping[str, str]] = {}


for broken in BROKEN:
    globals()[f"Test{broken.__name__}"] = type(
        f"Test{broken.__name__}",
        (_OfFullLength if broken is ScanStopsAfterFivePages else BrokenSuite,),
        {"kind": broken, "patience": broken.patience, "__module__": __name__},
    )
