"""The table that a run ends with, and the same as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.figures import Figures, Measure
from benchmarks.servers import OURS, Program

__all__ = ["as_json", "as_table"]


def as_table(figures: Figures, programs: Sequence[Program]) -> str:
    """Markdown, aligned to be read as it is: one table for each unit, with ratios to the peers."""
    return "\n\n".join(_section(figures, unit, programs) for unit in figures.units())


def as_json(
    figures: Figures, programs: Sequence[Program], conditions: Mapping[str, str]
) -> dict[str, object]:
    """Every single figure, the medians, and the conditions."""
    return {
        "conditions": dict(conditions),
        "servers": {program.name: program.version for program in programs},
        "rows": [
            {
                "unit": measure.unit,
                "what": measure.what,
                "better": _better(measure),
                "samples": samples,
                "median": {name: figures.median(measure, name) for name in samples},
            }
            for measure, samples in figures.samples.items()
        ],
    }


def _section(figures: Figures, unit: str, programs: Sequence[Program]) -> str:
    measures = figures.of_unit(unit)
    peers = [program for program in programs if program.name != OURS]
    ratios = peers if len(peers) < len(programs) else []
    header = [f"{unit} ({_better(measures[0])} is better)"]
    header += [program.title for program in programs]
    header += [f"ours / {program.name}" for program in ratios]
    return _aligned([header, *(_row(figures, each, programs, ratios) for each in measures)])


def _row(
    figures: Figures, measure: Measure, programs: Sequence[Program], ratios: Sequence[Program]
) -> list[str]:
    medians = {program.name: figures.median(measure, program.name) for program in programs}
    cells = [measure.what, *(_shown(medians[program.name]) for program in programs)]
    return cells + [_ratio(medians[OURS], medians[program.name]) for program in ratios]


def _better(measure: Measure) -> str:
    return "less" if measure.less_is_better else "more"


def _shown(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _ratio(ours: float | None, peer: float | None) -> str:
    return f"{ours / peer:.2f}" if ours is not None and peer else "-"


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["| " + " | ".join(_padded(row, widths)) + " |" for row in rows]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join([lines[0], "| " + " | ".join(rule) + " |", *lines[1:]])


def _padded(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    first, *others = zip(row, widths, strict=True)
    return [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
