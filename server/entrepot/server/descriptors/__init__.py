"""The memory of blobs that `storage.cache` asks for: in this process, or also in Redis."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from entrepot.core.configuration import Configuration
from entrepot.core.descriptors import UNBOUNDED, Descriptors
from entrepot.core.errors import ConfigurationError


@asynccontextmanager
async def open_descriptors(configuration: Configuration) -> AsyncGenerator[Descriptors, None]:
    """What is remembered of blobs, for one event loop; without `storage.cache` nothing is.

    Raises ConfigurationError: if Redis is asked for and its client library is not there.
    """
    cache = configuration.storage.cache
    most = cache.blobdescriptorsize if cache.blobdescriptorsize > 0 else UNBOUNDED
    if cache.blobdescriptor == "redis":
        try:
            from entrepot.server.descriptors.sizes import open_sizes  # noqa: PLC0415 - an extra
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] != "redis":
                raise
            raise ConfigurationError(
                "storage.cache.blobdescriptor: redis needs a client library; "
                "pip install 'entrepot[redis]'"
            ) from error
        async with open_sizes(configuration.redis) as sizes:
            yield Descriptors(most, sizes)
    else:
        yield Descriptors(most if cache.blobdescriptor == "inmemory" else 0)
