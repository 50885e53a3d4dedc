"""The conformance suite on `entrepot-rados`, over a Ceph cluster."""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from typing import Any

import pytest
from tests.real.drivers.rados_pools import (
    administrator,
    names,
    namespace,
    rados_options,
    require_rados,
)

from entrepot.core.testing import DriverSuite, Opening
from entrepot_rados import RadosOptions, open_rados
from entrepot_rados.opening import connected, imported
from entrepot_rados.options import MIB
from entrepot_rados.reindex import reindex


@pytest.mark.wide  # a minute, most of it for processes; the imitation's suite is not
class TestRados(DriverSuite):
    """With chunks so small that what the suite calls large has several."""

    many = 600
    lowered = dict.fromkeys(("many",), "each key is three writes of a millisecond")

    @pytest.fixture(scope="class")
    @classmethod
    def client(cls) -> Generator[Any, None, None]:
        with administrator(require_rados()) as client:
            yield client

    @pytest.fixture
    def options(self, client: Any) -> Generator[RadosOptions, None, None]:
        options = rados_options(require_rados(), chunksize=MIB, indexshards=4)
        with namespace(client, options.poolname, options.namespace) as ioctx:
            yield options
            if names(ioctx):  # of a process that was killed
                with connected(options, imported()) as store:
                    reindex(store, grace=-1)
            assert names(ioctx) == [], "chunks or uploads of nobody"

    @pytest.fixture
    def open_driver(self, options: RadosOptions) -> Opening:
        return partial(open_rados, options)
