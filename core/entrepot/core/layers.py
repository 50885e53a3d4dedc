"""The storage middlewares of a configuration, put around a driver one after another."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from entrepot.core.configuration import Configuration, plugged_options, storage_middlewares
from entrepot.core.configuration.tree import dotted
from entrepot.core.driver import Driver
from entrepot.core.errors import ConfigurationError, StorageError
from entrepot.core.plugins import OfferedStorageMiddleware, Plugins
from entrepot.core.wrapping import MiddlewareOptions


@dataclass(frozen=True, slots=True)
class Layer:
    """A middleware to be opened."""

    registered: OfferedStorageMiddleware
    options: MiddlewareOptions


def layers(configuration: Configuration, plugins: Plugins) -> Sequence[Layer]:
    """The middlewares of `middleware.storage` that are not disabled, the innermost first.

    Raises ConfigurationError: with every unknown name and every mistake in their options.
    """
    found: list[Layer] = []
    mistakes: list[str] = []
    for path, plugged in storage_middlewares(configuration):
        try:
            registered = plugins.storage_middleware(plugged.name, dotted((*path, "name")))
            options = plugged_options(plugged.options, registered.options, (*path, "options"))
            found.append(Layer(registered, options))
        except ConfigurationError as error:
            mistakes.extend(error.mistakes)
    if mistakes:
        raise ConfigurationError(*mistakes)
    return found


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
