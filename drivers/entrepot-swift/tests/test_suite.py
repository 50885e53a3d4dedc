"""The conformance suite on a strict imitation, whose pages and manifests are small."""

from __future__ import annotations

import pytest
from swift_fake import SwiftFake

from entrepot.core.testing import DriverSuite, Opening
from entrepot_swift.opening import opened


class TestFake(DriverSuite):
    many = 1200
    lowered = dict.fromkeys(("many",), "the imitation sorts all names for each of its pages")

    @pytest.fixture
    def open_driver(self, fake: SwiftFake) -> Opening:
        assert fake.info is not None
        del fake.info["tempurl"]  # there is no port at which a client would find it
        return lambda: opened(fake.options(), fake.transport)
