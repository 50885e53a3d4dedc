"""The store of a configuration, for commands that work on it without serving."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from entrepot.core.configuration import Configuration
from entrepot.core.driver import Driver
from entrepot.core.errors import PluginError, RegistryError, StorageError
from entrepot.core.guard import GuardedDriver
from entrepot.core.layers import layers, reaches_another_store, wrapped
from entrepot.core.plugins import Plugins, disabled_by, load_plugins
from entrepot.server.app import CONFIGURATION_PATH
from entrepot.server.cli.serve import read

StoreOfConfiguration = Annotated[
    Path | None,
    typer.Argument(
        envvar=CONFIGURATION_PATH,
        metavar="CONFIG",
        help="The configuration whose storage is meant, as for `entrepot serve`; without it, "
        "the filesystem under ./registry-data.",
    ),
]


@dataclass(frozen=True, slots=True)
class Store:
    """A configured driver with its middlewares; `opening` opens another one, as `serve` would."""

    name: str
    opening: Callable[[], AbstractAsyncContextManager[Driver, Any]]
    configuration: Configuration
    plugins: Plugins


def store_of(
    config: Path | None,
    *,
    copies: bool = True,
    others: bool = True,
    environ: Mapping[str, str] = os.environ,
) -> Store:
    """The store that a configuration names; nothing is opened yet.

    Without `copies`, no middleware that keeps some stands before it; without `others`, none that
    reaches a further store. `environ` may change the
    configuration.

    Raises ConfigurationError: with every mistake of the configuration.
    """
    plugins = load_plugins(disabled_by(os.environ))
    loaded, options = read(config, plugins, environ)
    name = loaded.configuration.storage.driver
    registered = plugins.driver(name)
    around = [
        layer
        for layer in layers(loaded.configuration, plugins)
        if (copies or not layer.options.keeps_copies)
        and (others or not reaches_another_store(layer))
    ]

    @asynccontextmanager
    async def opening() -> AsyncGenerator[Driver, None]:
        is_open = False
        try:
            async with (
                registered.open(options) as within,
                wrapped(within, around) as driver,
            ):
                is_open = True
                yield GuardedDriver(driver, name)
        except StorageError as error:
            error.driver = error.driver or name
            raise
        except RegistryError:
            raise
        except Exception as error:  # a stranger's code: whatever it raises is its problem
            if is_open:
                raise
            reason = f"the driver {name!r} failed to open with {type(error).__name__}: {error}"
            raise PluginError(registered.plugin, reason) from error

    return Store(name, opening, loaded.configuration, plugins)
