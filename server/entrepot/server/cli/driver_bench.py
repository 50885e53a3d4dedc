"""`entrepot drivers bench`: how fast a live store is through its driver."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated

import typer
from rich.table import Table

from entrepot.core.measuring import Measure, measure
from entrepot.core.probe import Instance
from entrepot.server.cli.interrupting import run
from entrepot.server.cli.opening import Store, StoreOfConfiguration, store_of
from entrepot.server.cli.reporting import reported, tell
from entrepot.server.cli.tables import console

_UNITS = {"": 1, "b": 1, "kib": 2**10, "mib": 2**20, "gib": 2**30}
_SIZE = re.compile(r"([0-9]+) ?([a-z]*)", re.IGNORECASE)
_OPENING = 60.0  # seconds that opening or closing may take
_COLUMNS = (
    *(("operation", 13), ("size", 8), ("at once", 7), ("per second", 10), ("MiB/s", 8)),
    *(("p50", 9), ("p99", 9), ("CPU each", 9), ("errors", 6)),
)


def _bytes(text: str) -> int:
    found = _SIZE.fullmatch(text.strip())
    unit = _UNITS.get(found[2].lower()) if found else None
    if found is None or unit is None:
        raise typer.BadParameter(f"{text!r} is no size; write 1024, 64KiB, 8MiB or 1GiB")
    return int(found[1]) * unit


@dataclass(frozen=True, slots=True)
class _Wanted:
    seconds: float
    sizes: Sequence[int]
    concurrencies: Sequence[int]
    stream: int
    keys: int


def bench(
    config: StoreOfConfiguration = None,
    seconds: Annotated[float, typer.Option(min=0, help="Time for each kind of operation.")] = 3.0,
    concurrency: Annotated[
        list[int] | None,
        typer.Option(min=1, max=1024, help="Operations at once; may be repeated.  [1, 16]"),
    ] = None,
    size: Annotated[
        list[str] | None,
        typer.Option(help="Of small objects, like 64KiB; may be repeated.  [1KiB]"),
    ] = None,
    stream: Annotated[str, typer.Option(help="Size of a large object; 0: none.")] = "64MiB",
    keys: Annotated[int, typer.Option(min=0, help="Objects to list; 0: none.")] = 1000,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure the live store of a configuration, with objects that are removed afterwards.

    They lie in a folder of their own at the top of the store. Exits with 1 if operations failed.
    """
    sizes = [_bytes(text) for text in size or ["1KiB"]]
    wanted = _Wanted(seconds, sizes, concurrency or [1, 16], _bytes(stream), keys)
    rows = _Rows(as_json=as_json)
    with reported():
        store = store_of(config)
        run(_measure(store, wanted, rows), store.name, _OPENING, rows.interrupted)
    rows.end()
    raise typer.Exit(1 if any(row.errors for row in rows.measures) else 0)


async def _measure(store: Store, wanted: _Wanted, rows: _Rows) -> None:
    instance = Instance(store.opening)
    driver = await instance.driver(_OPENING)
    try:
        rows.begin()
        await measure(
            driver,
            seconds=wanted.seconds,
            sizes=wanted.sizes,
            concurrencies=wanted.concurrencies,
            stream=wanted.stream,
            keys=wanted.keys,
            told=rows.told,
        )
    finally:
        await instance.close(_OPENING)


class _Rows:
    """Results as they come."""

    def __init__(self, *, as_json: bool) -> None:
        self.measures: list[Measure] = []
        self._as_json = as_json
        self._console = console()

    def begin(self) -> None:
        if not self._as_json:
            self._row(*(heading for heading, _ in _COLUMNS))

    def told(self, measure: Measure) -> None:
        self.measures.append(measure)
        if self._as_json:
            return
        self._row(
            measure.operation,
            _size(measure.size),
            str(measure.concurrency),
            f"{measure.per_second:,.1f}"
            if measure.per_second < 100
            else f"{measure.per_second:,.0f}",
            f"{measure.mib_per_second:,.1f}" if measure.bytes else "",
            _time(measure.p50),
            _time(measure.p99),
            _time(measure.cpu_seconds_per_operation),
            str(measure.errors or ""),
        )

    def end(self) -> None:
        if self._as_json:
            typer.echo(json.dumps([_document(measure) for measure in self.measures], indent=2))
        told = {measure.first_error for measure in self.measures if measure.errors}
        tell("error", sorted(told))

    def interrupted(self) -> None:
        self.end()
        tell("error", ["interrupted; not everything was measured"])

    def _row(self, *cells: str) -> None:
        grid = Table.grid(padding=(0, 1))
        for number, (_, width) in enumerate(_COLUMNS):
            grid.add_column(min_width=width, justify="right" if number else "left")
        grid.add_row(*cells)
        self._console.print(grid)


def _document(measure: Measure) -> dict[str, object]:
    figures = {
        **asdict(measure),
        "per_second": measure.per_second,
        "mib_per_second": measure.mib_per_second,
    }
    return {
        key: None if isinstance(value, float) and math.isnan(value) else value
        for key, value in figures.items()
    }


def _size(size: int) -> str:
    for unit, bytes_ in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if size >= bytes_:
            return f"{size / bytes_:g} {unit}"
    return f"{size} B"


def _time(seconds: float) -> str:
    if math.isnan(seconds):
        return ""
    if seconds < 0.001:
        return f"{seconds * 1e6:.0f} µs"
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"
