"""The conformance suite on `entrepot-swift`, over Swift's own servers."""

from __future__ import annotations

from collections.abc import Generator
from functools import partial

import pytest
from tests.real.drivers.swift_containers import swift_container, swift_options
from tests.services.running import require_service

from entrepot.core.testing import DriverSuite, Opening
from entrepot_swift import open_swift
from entrepot_swift.options import MIB


@pytest.mark.wide  # minutes of time: a request costs these servers ten times that of others
class TestSwift(DriverSuite):
    """With segments so small that most tests of the suite make large objects."""

    patience = 600.0
    many = 500
    lowered = dict.fromkeys(("many",), "Swift takes some ten milliseconds for each object")

    @pytest.fixture(scope="class")
    @classmethod
    def container(cls) -> Generator[str, None, None]:
        with swift_container(require_service("swift")) as container:
            yield container

    @pytest.fixture
    def open_driver(self, container: str) -> Opening:
        options = swift_options(require_service("swift"), container, chunksize=4 * MIB)
        return partial(open_swift, options)
