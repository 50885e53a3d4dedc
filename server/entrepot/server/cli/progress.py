"""How far a long command is, on standard error: never among its results on standard output.

On a terminal a bar, elsewhere a line every ten seconds; with `--json` that line is JSON, as
`{"progress": {"work": "scrubbing blobs", "bytes": 4096, "total": null, "seconds": 10.2}}`.
A command that is done sooner tells nothing.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

from entrepot.server.cli.figures import amount, duration

_REDRAWN = 0.2  # seconds; oftener, drawing would take time from the work
_LINE = 10.0  # seconds between lines where there is no terminal


@dataclass(slots=True)
class Bar:
    """What is done of some work, in its unit; `total` may be set when it becomes known."""

    work: str
    unit: str
    total: int | None
    _show: Callable[[Bar], None]
    _every: float
    done: int = 0
    _began: float = field(default_factory=time.monotonic)
    _shown: float = field(default_factory=time.monotonic)

    def advance(self, more: int = 1) -> None:
        """So much more is done. Cheap: may be called for each object and each chunk."""
        self.done += more
        if time.monotonic() - self._shown >= self._every:
            self._shown = time.monotonic()
            self._show(self)

    @property
    def seconds(self) -> float:
        """Since the work began."""
        return time.monotonic() - self._began

    def figures(self) -> str:
        """What is done, of how much, how fast, and how long the rest will take at this rate."""
        rate = self.done / max(self.seconds, 0.001)
        told = amount(self.done, self.unit)
        if self.total is not None:
            told += f" of {amount(self.total, self.unit)}"
        if rate and self.done:
            told += f", {amount(round(rate), self.unit)}/s"
            if self.total is not None:
                told += f", {duration(max(0, self.total - self.done) / rate)} left"
        return told


@contextmanager
def progress(
    work: str, *, unit: str, total: int | None = None, as_json: bool = False
) -> Generator[Bar, None, None]:
    """Shows how far `work` is while the context lasts, like "scrubbing blobs" in "bytes".

    What a command prints meanwhile appears above the bar. Only one may be shown at a time.
    """
    console = Console(stderr=True)
    if console.is_terminal:
        with _drawn(console, work, unit, total) as bar:
            yield bar
    else:
        yield Bar(work, unit, total, _told_as_json if as_json else _told, _LINE)


@contextmanager
def _drawn(console: Console, work: str, unit: str, total: int | None) -> Generator[Bar, None, None]:
    drawing = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[figures]}", markup=False),
        console=console,
        transient=True,
        redirect_stdout=Console().is_terminal,  # a pipe gets results as they are
    )
    task = drawing.add_task(work, total=total, figures="")

    def draw(bar: Bar) -> None:
        drawing.update(
            task,
            description=bar.work,
            completed=bar.done,
            total=bar.total,
            figures=bar.figures(),
        )

    with drawing:
        yield Bar(work, unit, total, draw, _REDRAWN)


def _told(bar: Bar) -> None:
    typer.echo(f"{bar.work}: {bar.figures()}", err=True)


def _told_as_json(bar: Bar) -> None:
    figures = {
        "work": bar.work,
        bar.unit: bar.done,
        "total": bar.total,
        "seconds": round(bar.seconds, 1),
    }
    typer.echo(json.dumps({"progress": figures}), err=True)
