"""The storage middlewares of a configuration, put around a driver one after another."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeAlias

from entrepot.core.chosen import Chosen, chosen
from entrepot.core.configuration import Configuration, storage_middlewares
from entrepot.core.driver import Driver
from entrepot.core.errors import StorageError
from entrepot.core.plugins import Plugins
from entrepot.core.wrapping import MiddlewareOptions, OpenMiddleware

Layer: TypeAlias = Chosen[OpenMiddleware[Any], MiddlewareOptions]
"""A middleware to be opened."""


def layers(configuration: Configuration, plugins: Plugins) -> Sequence[Layer]:
    """The middlewares of `middleware.storage` that are not disabled, the innermost first.

    Raises ConfigurationError: with every unknown name and every mistake in their options.
    """
    return chosen(storage_middlewares(configuration), plugins.storage_middleware)


@asynccontextmanager
async def wrapped(driver: Driver, around: Sequence[Layer]) -> AsyncGenerator[Driver, None]:
    """A driver with layers around it, the first one next to it, as Distribution does.

    Raises StorageError: with the middleware's name, if one cannot be opened.
    """
    async with AsyncExitStack() as stack:
        for layer in around:
            opening = layer.registered.open(layer.options, driver)
            try:
                driver = await stack.enter_async_context(opening)
            except StorageError as error:
                error.driver = error.driver or layer.registered.name
                raise
        yield driver
