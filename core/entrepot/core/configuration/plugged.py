"""What a configuration plugs in, checked by the models that plug-ins bring."""

from __future__ import annotations

from collections.abc import Iterator

from entrepot.core.configuration.model import Configuration, Plugged
from entrepot.core.configuration.options import plugged_options
from entrepot.core.configuration.shape import Models
from entrepot.core.configuration.tree import Path
from entrepot.core.errors import ConfigurationError


def storage_middlewares(configuration: Configuration) -> Iterator[tuple[Path, Plugged]]:
    """Those to be used, in order, each with its path in the file."""
    for index, plugged in enumerate(configuration.middleware.storage):
        if not plugged.disabled:
            yield ("middleware", "storage", index), plugged


def plugged_mistakes(
    configuration: Configuration, drivers: Models, middlewares: Models
) -> Iterator[str]:
    """What is wrong in the sections of plug-ins, as far as there are models of them."""
    storage = configuration.storage
    at: Path = ("storage", storage.driver)
    sections = [(at, storage.written, drivers.get(storage.driver))]
    sections += [
        ((*path, "options"), plugged.options, middlewares.get(plugged.name))
        for path, plugged in storage_middlewares(configuration)
    ]
    for path, written, options in sections:
        try:
            if options is not None:
                plugged_options(written, options, path)
        except ConfigurationError as error:
            yield from error.mistakes
