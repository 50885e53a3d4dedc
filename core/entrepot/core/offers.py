"""What plug-ins offer of one kind, under the names that a configuration may use."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from entrepot.core.errors import PluginError

OpenT = TypeVar("OpenT")
ModelT = TypeVar("ModelT", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Offered(Generic[OpenT, ModelT]):
    """Something that plug-in `plugin` offers; `open` takes an instance of `options`."""

    name: str
    open: OpenT
    options: type[ModelT]
    plugin: str
    aliases: tuple[str, ...] = ()
    problem: str = ""  # what has to be installed before it can be opened
    label: str = ""  # a word that whoever chooses it should know, such as `experimental`


class Offers(Generic[OpenT, ModelT]):
    """Offers of one `kind`, each found by its name and its aliases."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._offers: dict[str, Offered[OpenT, ModelT]] = {}

    def add(self, offer: Offered[OpenT, ModelT]) -> None:
        """Raises PluginError: if one of its names is taken."""
        for taken in self._offers.values():
            clash = _names(offer) & _names(taken)
            if clash:
                raise PluginError(
                    offer.plugin,
                    f"{self.kind} name {min(clash)!r} is taken by plug-in {taken.plugin!r}",
                )
        self._offers[offer.name] = offer

    def withdraw(self, plugin: str) -> None:
        """Forget all that a plug-in offered."""
        kept = {name: offer for name, offer in self._offers.items() if offer.plugin != plugin}
        self._offers = kept

    @property
    def by_name(self) -> Mapping[str, Offered[OpenT, ModelT]]:
        """All of them, in the order of their names, without aliases."""
        return dict(sorted(self._offers.items()))

    @property
    def options(self) -> Mapping[str, type[ModelT]]:
        """The options model of each, by name and alias."""
        return {name: offer.options for offer in self._offers.values() for name in _names(offer)}

    def of(self, plugin: str) -> tuple[str, ...]:
        """The names that a plug-in offered, without aliases."""
        return tuple(offer.name for offer in self._offers.values() if offer.plugin == plugin)

    def unmet(self, plugin: str) -> tuple[str, ...]:
        """What has to be installed before what a plug-in offered can be opened."""
        own = (offer for offer in self._offers.values() if offer.plugin == plugin)
        return tuple(offer.problem for offer in own if offer.problem)

    def find(self, name: str) -> Offered[OpenT, ModelT] | None:
        """The one of that name or alias."""
        for offer in self._offers.values():
            if name in _names(offer):
                return offer
        return None

    def unknown(self, name: str) -> str:
        """What to say of a name that none has: the nearest one, and all there are."""
        names = list(self.by_name)
        told = [f"no {self.kind} named {name!r} is installed"]
        if near := difflib.get_close_matches(name, names, 1):
            told.append(f"did you mean {near[0]!r}?")
        return "; ".join([*told, f"installed: {', '.join(names) or 'none'}"])


def _names(offer: Offered[Any, Any]) -> set[str]:
    return {offer.name, *offer.aliases}
