"""Those of the installed plug-ins that a configuration's list chooses, with their options."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic

from entrepot.core.configuration import Plugged, plugged_options
from entrepot.core.configuration.tree import Path, dotted
from entrepot.core.errors import ConfigurationError
from entrepot.core.offers import ModelT, Offered, OpenT


@dataclass(frozen=True, slots=True)
class Chosen(Generic[OpenT, ModelT]):
    """Something to be opened with these options."""

    registered: Offered[OpenT, ModelT]
    options: ModelT


def chosen(
    listed: Iterable[tuple[Path, Plugged]], find: Callable[[str, str], Offered[OpenT, ModelT]]
) -> Sequence[Chosen[OpenT, ModelT]]:
    """Each of a list as `find` knows it by name and path, in order.

    Raises ConfigurationError: with every unknown name and every mistake in the options.
    """
    found: list[Chosen[OpenT, ModelT]] = []
    mistakes: list[str] = []
    for path, plugged in listed:
        try:
            registered = find(plugged.name, dotted((*path, "name")))
            options = plugged_options(plugged.options, registered.options, (*path, "options"))
            found.append(Chosen(registered, options))
        except ConfigurationError as error:
            mistakes.extend(error.mistakes)
    if mistakes:
        raise ConfigurationError(*mistakes)
    return found
