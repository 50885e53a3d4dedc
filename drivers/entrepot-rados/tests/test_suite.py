"""The conformance suite on a strict imitation, which gives few entries at once."""

from __future__ import annotations

import pytest
from rados_fake import RadosFake

from entrepot.core.testing import DriverSuite, Opening
from entrepot_rados.opening import opened
from entrepot_rados.options import MIB


class TestFake(DriverSuite):
    many = 600
    lowered = dict.fromkeys(("many",), "the imitation sorts all names for each of its pages")

    @pytest.fixture
    def open_driver(self, fake: RadosFake) -> Opening:
        fake.page = 100
        return lambda: opened(fake.options(chunksize=MIB), fake.binding)
