"""What a configuration plugs in, and the models that plug-ins bring for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pydantic import BaseModel

from entrepot.core.configuration.model import Configuration
from entrepot.core.configuration.model_base import Plugged
from entrepot.core.configuration.options import plugged_options
from entrepot.core.configuration.other_storage import keys_of_others
from entrepot.core.configuration.shape import Models
from entrepot.core.configuration.tree import Path, Table, is_null
from entrepot.core.errors import ConfigurationError


def _none() -> Models:
    return {}


@dataclass(frozen=True, slots=True)
class PluggedModels:
    """The options models of what plug-ins offer, by the names that a configuration uses."""

    drivers: Models = field(default_factory=_none)
    storage_middlewares: Models = field(default_factory=_none)
    authenticators: Models = field(default_factory=_none)
    observers: Models = field(default_factory=_none)
    admissions: Models = field(default_factory=_none)


NO_MODELS = PluggedModels()


def storage_middlewares(configuration: Configuration) -> Iterator[tuple[Path, Plugged]]:
    """Those to be used, in order, each with its path in the file; so do the two below."""
    return _used(configuration.middleware.storage, ("middleware", "storage"))


def observers(configuration: Configuration) -> Iterator[tuple[Path, Plugged]]:
    return _used(configuration.notifications.observers, ("notifications", "observers"))


def admissions(configuration: Configuration) -> Iterator[tuple[Path, Plugged]]:
    return _used(configuration.policy.admission, ("policy", "admission"))


def sections(
    configuration: Configuration, models: PluggedModels
) -> Iterator[tuple[Path, Table, type[BaseModel] | None]]:
    """Each plug-in's section with its path, and its model as far as there is one."""
    storage, auth = configuration.storage, configuration.auth
    yield ("storage", storage.driver), storage.written, models.drivers.get(storage.driver)
    yield ("auth", auth.method), auth.written, models.authenticators.get(auth.method)
    for found, known in (
        (storage_middlewares(configuration), models.storage_middlewares),
        (observers(configuration), models.observers),
        (admissions(configuration), models.admissions),
    ):
        for path, plugged in found:
            within, model = (*path, "options"), known.get(plugged.name)
            yield within, plugged.options, model
            yield from _others(within, plugged.options, model, models)


def _others(
    path: Path, written: Table, model: type[BaseModel] | None, models: PluggedModels
) -> Iterator[tuple[Path, Table, type[BaseModel] | None]]:
    """The further drivers that options name, as far as their sections have the right form."""
    for key in keys_of_others(model) if model else ():
        section = written.get(key)
        for name, parameters in section.items() if isinstance(section, Table) else ():
            table = Table(parameters.origin) if is_null(parameters) else parameters
            if isinstance(table, Table):
                yield (*path, key, name), table, models.drivers.get(name)


def plugged_mistakes(configuration: Configuration, models: PluggedModels) -> Iterator[str]:
    """What is wrong in the sections of plug-ins, as far as there are models of them."""
    for path, written, options in sections(configuration, models):
        try:
            if options is not None:
                plugged_options(written, options, path)
        except ConfigurationError as error:
            yield from error.mistakes


def _used(listed: Sequence[Plugged], above: Path) -> Iterator[tuple[Path, Plugged]]:
    for index, plugged in enumerate(listed):
        if not plugged.disabled:
            yield (*above, index), plugged
