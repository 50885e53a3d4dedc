"""How the registry of this process is: what fails, and whether it wants requests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

Changed = Callable[["Health"], None]


class Health:
    """Of one application. Texts about failures hold no secrets: they are shown to anybody.

    `expect` names a check, `report` gives its result; until the first one the registry is not
    ready, and not unhealthy either.
    """

    def __init__(self) -> None:
        self.is_open = False
        self.is_draining = False
        self.changed: Changed | None = None
        self._expected: set[str] = set()
        self._failing: dict[str, str] = {}

    @property
    def is_failing(self) -> bool:
        return bool(self._failing)

    @property
    def failing(self) -> Mapping[str, str]:
        """What is wrong, by the name of the check that found it."""
        return MappingProxyType(self._failing)

    @property
    def hindrance(self) -> str:
        """In one word why no requests are wanted; empty if they are."""
        if self.is_draining:
            return "draining"
        if self._failing:
            return "unhealthy"
        return "" if self.is_open and not self._expected else "starting"

    def opened(self) -> None:
        """The storage is open, requests can be answered."""
        self.is_open = True
        self._tell()

    def drain(self) -> None:
        """The server was told to stop: it wants no new requests."""
        self.is_draining = True
        self._tell()

    def expect(self, name: str) -> None:
        self._expected.add(name)

    def report(self, name: str, failure: str | None) -> None:
        """The result of a check; None: all is well."""
        before = self._failing.get(name), name in self._expected
        self._expected.discard(name)
        if failure is None:
            self._failing.pop(name, None)
        else:
            self._failing[name] = failure
        if before != (failure, False):
            self._tell()

    def _tell(self) -> None:
        if self.changed is not None:
            self.changed(self)
