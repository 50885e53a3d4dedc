"""Both suites pass on a small driver that speaks HTTP as it should."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import nullcontext

import pytest

from entrepot.core.testing import DriverSuite, NetworkSuite, Opening, OpenThrough

from .http_store import HttpDriver, serving


class Patient(HttpDriver):
    seconds = 30.0  # for hundreds of calls at once on a busy machine


@pytest.mark.real
class TestHttp(DriverSuite):
    deviations = {  # noqa: RUF012 - as an author writes it
        "test_write_of_a_huge_object": "keeps everything in memory",
        "test_upload_of_a_huge_object": "keeps everything in memory",
    }

    @pytest.fixture
    async def open_driver(self) -> AsyncGenerator[Opening, None]:
        async with serving() as port:
            yield lambda: nullcontext(Patient(f"127.0.0.1:{port}"))


@pytest.mark.real
class TestHttpInTrouble(NetworkSuite):
    patience = 30.0

    @pytest.fixture
    async def upstream(self) -> AsyncGenerator[tuple[str, int], None]:
        async with serving() as port:
            yield "127.0.0.1", port

    @pytest.fixture
    def open_through(self) -> OpenThrough:
        return lambda address: lambda: nullcontext(HttpDriver(address))
