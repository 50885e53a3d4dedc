"""Figures by what was measured and of whom, and their medians."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

__all__ = ["Figures", "Measure"]

_UNITS = (
    "CPU s / GiB",
    "wall s / GiB",
    "CPU ms / blob",
    "wall ms / blob",
    "requests / CPU s",
    "requests / s",
    "MiB",
    "s",
)


@dataclass(frozen=True, slots=True)
class Measure:
    """A row of the table."""

    unit: str
    what: str
    less_is_better: bool = True


@dataclass(slots=True)
class Figures:
    """Everything that was measured, in the order in which it was first measured."""

    samples: dict[Measure, dict[str, list[float]]] = field(
        default_factory=dict[Measure, dict[str, list[float]]]
    )

    def add(self, measure: Measure, server: str, value: float) -> None:
        """Keep one figure."""
        self.samples.setdefault(measure, {}).setdefault(server, []).append(value)

    def median(self, measure: Measure, server: str) -> float | None:
        """The middle figure; None if there is none."""
        found = self.samples.get(measure, {}).get(server)
        return statistics.median(found) if found else None

    def units(self) -> list[str]:
        """The units of which there are figures, in the order of the report."""
        return [unit for unit in _UNITS if self.of_unit(unit)]

    def of_unit(self, unit: str) -> Sequence[Measure]:
        """The rows of a unit, in order."""
        return [measure for measure in self.samples if measure.unit == unit]
