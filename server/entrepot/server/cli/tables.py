"""Tables for people: fitted to a terminal, unfolded for other programs."""

from __future__ import annotations

import typer
from rich.console import Console
from rich.table import Table


def table(*headings: str, right: tuple[str, ...] = ()) -> Table:
    """A table without lines; the columns `right` hold figures."""
    made = Table(box=None, pad_edge=False)
    for heading in headings:
        made.add_column(heading, overflow="fold", justify="right" if heading in right else "left")
    return made


def console() -> Console:
    """Standard output; piped into another program it does not fold."""
    made = Console(highlight=False)
    return made if made.is_terminal else Console(width=10_000, highlight=False)


def show(shown: Table) -> None:
    printing = console()
    if printing.is_terminal:
        printing.print(shown)
    else:
        with printing.capture() as captured:
            printing.print(shown)
        for line in captured.get().splitlines():
            typer.echo(line.rstrip())
    if not shown.row_count:
        typer.echo("none", err=True)
