"""The network suite on every driver that is broken there; collected only when asked for."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import nullcontext
from typing import ClassVar

import pytest

from entrepot.core.testing import NetworkSuite, Opening, OpenThrough

from .broken_lines import LINES
from .http_store import HttpDriver, serving


class BrokenLineSuite(NetworkSuite):
    kind: ClassVar[type[HttpDriver]]
    patience = 8.0

    @pytest.fixture
    async def upstream(self) -> AsyncGenerator[tuple[str, int], None]:
        async with serving() as port:
            yield "127.0.0.1", port

    @pytest.fixture
    def open_through(self, upstream: tuple[str, int]) -> OpenThrough:
        """Past the proxy, what is true is seen by a driver that is right."""
        there = "{}:{}".format(*upstream)

        def through(address: str) -> Opening:
            kind = HttpDriver if address == there else self.kind
            return lambda: nullcontext(kind(address))

        return through


for broken in LINES:
    globals()[f"Test{broken.__name__}"] = type(
        f"Test{broken.__name__}", (BrokenLineSuite,), {"kind": broken, "__module__": __name__}
    )
