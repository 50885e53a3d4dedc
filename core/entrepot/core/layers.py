"""The storage middlewares of a configuration, put around a driver one after another."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any, TypeAlias

from entrepot.core.chosen import Chosen, chosen
from entrepot.core.configuration import (
    Configuration,
    OtherStorage,
    other_storages,
    plugged_options,
    storage_middlewares,
)
from entrepot.core.configuration.tree import Path, dotted
from entrepot.core.driver import Driver, DriverOptions
from entrepot.core.errors import ConfigurationError, StorageError
from entrepot.core.guard import GuardedDriver
from entrepot.core.plugins import OfferedDriver, Plugins
from entrepot.core.wrapping import MiddlewareOptions, OpenMiddleware

Layer: TypeAlias = Chosen[OpenMiddleware[Any], MiddlewareOptions]
"""A middleware to be opened."""


def layers(configuration: Configuration, plugins: Plugins) -> Sequence[Layer]:
    """The middlewares of `middleware.storage` that are not disabled, the innermost first.

    Raises ConfigurationError: with every unknown name and every mistake in their options, and
    in those of further drivers that they name.
    """
    listed = list(storage_middlewares(configuration))
    found = chosen(listed, plugins.storage_middleware)
    mistakes: list[str] = []
    for (path, _), layer in zip(listed, found, strict=True):
        for key, other in other_storages(layer.options):
            try:
                _bind(other, (*path, "options", key), plugins)
            except ConfigurationError as error:
                mistakes.extend(error.mistakes)
    if mistakes:
        raise ConfigurationError(*mistakes)
    return found


def reaches_another_store(layer: Layer) -> bool:
    """Whether a middleware has a further driver's store beside the one within."""
    return any(True for _ in other_storages(layer.options))


def _bind(other: OtherStorage, path: Path, plugins: Plugins) -> None:
    registered = plugins.driver(other.name, dotted(path))
    options = plugged_options(other.written, registered.options, (*path, other.name))
    other.bind(partial(_opened, registered, options))


@asynccontextmanager
async def _opened(
    registered: OfferedDriver, options: DriverOptions
) -> AsyncGenerator[Driver, None]:
    is_open = False
    try:
        async with registered.open(options) as driver:
            is_open = True
            yield GuardedDriver(driver, registered.name)
    except StorageError as error:
        if not is_open:
            error.driver = error.driver or registered.name
        raise


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
