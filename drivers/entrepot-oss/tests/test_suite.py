"""The conformance suite on a strict imitation of OSS."""

from __future__ import annotations

from functools import partial

import pytest
from oss_fake import MakeOptions

from entrepot.core.testing import DriverSuite, Opening
from entrepot_oss import open_oss


class TestOssFake(DriverSuite):
    many = 2_100
    lowered = dict.fromkeys(("many",), "each object is a request to an imitation in Python")

    @pytest.fixture
    def open_driver(self, options: MakeOptions) -> Opening:
        return partial(open_oss, options())
