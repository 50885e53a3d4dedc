"""The suite on every broken driver; collected only when asked for by its name."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest

from entrepot.core.testing import DriverSuite, Opening

from .broken_drivers import BROKEN
from .broken_objects import BrokenDriver


class BrokenSuite(DriverSuite):
    kind: ClassVar[type[BrokenDriver]]

    @pytest.fixture
    def open_driver(self, tmp_path: Path) -> Opening:
        return self.kind.opening(tmp_path)


for broken in BROKEN:
    globals()[f"Test{broken.__name__}"] = type(
        f"Test{broken.__name__}",
        (BrokenSuite,),
        {"kind": broken, "patience": broken.patience, "__module__": __name__},
    )
