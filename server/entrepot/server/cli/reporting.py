"""How commands tell of mistakes: a line each on standard error, and exit status 1."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager

import typer

from entrepot.core.errors import ConfigurationError, RegistryError


@contextmanager
def reported() -> Generator[None, None, None]:
    """Errors that are somebody's mistake end the command with a line for each, no traceback."""
    try:
        yield
    except ConfigurationError as error:
        tell("error", error.mistakes)
        raise typer.Exit(1) from error
    except RegistryError as error:
        tell("error", [str(error)])
        raise typer.Exit(1) from error


def tell(level: str, lines: Iterable[str]) -> None:
    for line in lines:
        typer.echo(f"{level}: {line}", err=True)
