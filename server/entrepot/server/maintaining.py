"""What is done beside serving."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from entrepot.core.configuration import Configuration
from entrepot.core.registry import Registry
from entrepot.server.collecting import collecting
from entrepot.server.maintained import Maintained
from entrepot.server.purging import purging
from entrepot.server.retaining import retaining


@asynccontextmanager
async def maintaining(
    configuration: Configuration, registry: Registry, maintained: Maintained
) -> AsyncGenerator[None, None]:
    """All of it, as `storage.maintenance` says, until left; `maintained` is told what was done."""
    async with (
        purging(configuration, registry, maintained),
        retaining(configuration, registry, maintained),
        collecting(configuration, registry, maintained),
    ):
        yield
