"""The conformance suite on a Samba server."""

from __future__ import annotations

from collections.abc import Generator
from functools import partial

import pytest
from tests.real.drivers.samba import samba

from entrepot.core.testing import DriverSuite, Opening
from entrepot.drivers.fsspec import FsspecOptions, open_fsspec


@pytest.fixture(scope="module")
def share(tmp_path_factory: pytest.TempPathFactory) -> Generator[FsspecOptions, None, None]:
    with samba(tmp_path_factory.mktemp("samba")) as options:
        yield options


class TestSmb(DriverSuite):
    @pytest.fixture
    def open_driver(self, share: FsspecOptions) -> Opening:
        return partial(open_fsspec, share)
