"""The conformance suite on a strict imitation of OSS, in this process.

What needs another process is proven where the imitation is one: in the real tests.
"""

from __future__ import annotations

import pytest
from oss_fake import OssFake
from oss_material import MakeOptions

from entrepot.core.testing import DriverSuite, Opening
from entrepot_oss.opening import open_oss, opened


class TestOssFake(DriverSuite):
    many = 1_200
    lowered = dict.fromkeys(("many",), "the imitation gives pages of 100")

    @pytest.fixture
    def open_driver(
        self, fake: OssFake, options: MakeOptions, request: pytest.FixtureRequest
    ) -> Opening:
        fake.page = 100
        if "link" in request.node.name:  # for which clients need a port
            return lambda: open_oss(options())
        return lambda: opened(options(), fake.transport)
