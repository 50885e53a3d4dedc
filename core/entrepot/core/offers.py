"""What plug-ins offer of one kind, under the names that a configuration may use."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, Generic, Protocol, TypeVar

from entrepot.core.errors import PluginError


class Offer(Protocol):
    """Something with names, a model of its options, and the plug-in it comes from."""

    @property
    def name(self) -> str: ...
    @property
    def aliases(self) -> tuple[str, ...]: ...
    @property
    def options(self) -> type[Any]: ...
    @property
    def plugin(self) -> str: ...


OfferT = TypeVar("OfferT", bound=Offer)


class Offers(Generic[OfferT]):
    """Offers of one `kind`, each found by its name and its aliases."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._offers: dict[str, OfferT] = {}

    def add(self, offer: OfferT) -> None:
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
    def by_name(self) -> Mapping[str, OfferT]:
        """All of them, in the order of their names, without aliases."""
        return dict(sorted(self._offers.items()))

    @property
    def options(self) -> Mapping[str, type[Any]]:
        """The options model of each, by name and alias."""
        return {name: offer.options for offer in self._offers.values() for name in _names(offer)}

    def of(self, plugin: str) -> tuple[str, ...]:
        """The names that a plug-in offered, without aliases."""
        return tuple(offer.name for offer in self._offers.values() if offer.plugin == plugin)

    def find(self, name: str) -> OfferT | None:
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


def _names(offer: Offer) -> set[str]:
    return {offer.name, *offer.aliases}
