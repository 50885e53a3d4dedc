"""What is done beside serving."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from entrepot.core.configuration import Configuration
from entrepot.core.registry import Registry
from entrepot.server.collecting import collecting
from entrepot.server.purging import purging
from entrepot.server.retaining import retaining


@asynccontextmanager
async def maintaining(
    configuration: Configuration, registry: Registry
) -> AsyncGenerator[None, None]:
    """All of it, as `storage.maintenance` says, until left."""
    async with (
        purging(configuration, registry),
        retaining(configuration, registry),
        collecting(configuration, registry),
    ):
        yield
