"""The memory of blobs that `storage.cache` asks for."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from entrepot.core.configuration import Configuration
from entrepot.core.descriptors import UNBOUNDED, Descriptors


@asynccontextmanager
async def open_descriptors(configuration: Configuration) -> AsyncGenerator[Descriptors, None]:
    """What is remembered of blobs, for one event loop; without `storage.cache` nothing is."""
    cache = configuration.storage.cache
    most = cache.blobdescriptorsize if cache.blobdescriptorsize > 0 else UNBOUNDED
    yield Descriptors(most if cache.blobdescriptor == "inmemory" else 0)
